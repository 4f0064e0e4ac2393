//! The example session that explains Stratum V1 to newcomers, with real values in the place of
//! those that it leaves out.

use super::*;

#[test]
fn the_example_session_of_stratum_v1_goes_as_it_is_told() {
    let mut bench = Bench::working(config(), &[]);
    bench.connect(ALICE);
    bench.said.clear();

    let subscribe = r#"{"id": 1, "method": "mining.subscribe", "params": ["miner/1.0"]}"#;
    bench.handle(Input::Line { connection: ALICE, line: subscribe.into() });
    bench.serve();
    let authorize = r#"{"id": 2, "method": "mining.authorize", "params": ["worker1", "pass"]}"#;
    bench.handle(Input::Line { connection: ALICE, line: authorize.into() });

    let heard = bench.heard(ALICE);
    let [subscribed, authorized, difficulty, notify] = &heard[..] else { panic!("{heard:?}") };
    let extranonce1 = "f064000000";
    assert_eq!(
        *subscribed,
        format!(
            r#"{{"id":1,"result":[[["mining.set_difficulty","0"],["mining.notify","0"]],"{extranonce1}",4],"error":null}}"#
        )
    );
    assert_eq!(authorized, r#"{"id":2,"result":true,"error":null}"#);
    assert!(difficulty.starts_with(r#"{"id":null,"method":"mining.set_difficulty","params":["#));
    assert!(notify.starts_with(r#"{"id":null,"method":"mining.notify","params":[""#));

    let miner = Miner { user: "worker1".to_owned(), ..bench.miner(ALICE) };
    let share = miner.find(0);
    let (job_id, ntime, nonce) = (&share.job_id, share.ntime, share.nonce);
    let submit = format!(
        r#"{{"id": 3, "method": "mining.submit", "params": ["worker1", "{job_id}", "22222222", "{ntime:08x}", "{nonce:08x}"]}}"#
    );
    assert_eq!(bench.say(ALICE, &submit), [r#"{"id":3,"result":true,"error":null}"#]);
    assert_eq!(bench.take_shares().len(), 1);
}
