//! What scenarios are refused for, and the ones that ship with the program.

use super::*;

fn load(text: &str) -> Result<Scenario, LoadError> {
    Scenario::load("test.toml", text, &Overrides::default())
}

fn refusal(text: &str) -> String {
    load(text).expect_err(text).to_string()
}

const TINY: &str = r#"
[role.template-provider]
kind = "template-provider"
[role.pool]
kind = "pool"
[role.miners]
kind = "mining-device"
upstream = "pool"
"#;

fn shipped() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_scenario_that_ships_can_be_started_on_every_chain() {
    let shipped = shipped();

    assert!(shipped.len() >= 2, "{shipped:?}");
    for (file, text) in shipped {
        for chain in [None, Some(ChainKind::Bitcoind), Some(ChainKind::Signet)] {
            let overrides = Overrides { chain, ..Overrides::default() };
            let scenario = Scenario::load(&file, &text, &overrides).unwrap();
            assert!(!scenario.title.is_empty(), "{file}");
            assert_eq!(scenario.start_order().len(), scenario.roles.len());
        }
    }
}

#[test]
fn targets_follow_shares_as_a_role_says() {
    use sv2::mining::vardiff::VardiffAlgorithm::{Bayes, Ckpool, Sri};
    for (line, expected) in [
        ("", Some(Bayes)),
        ("vardiff = true", Some(Bayes)),
        ("vardiff = false", None),
        ("vardiff = \"bayes\"", Some(Bayes)),
        ("vardiff = \"sri\"", Some(Sri)),
        ("vardiff = \"ckpool\"", Some(Ckpool)),
    ] {
        let text = TINY.replace("kind = \"pool\"", &format!("kind = \"pool\"\n{line}"));
        let scenario = load(&text).unwrap();
        let mut kinds = scenario.roles.iter().map(|role| &role.kind);
        let pool = kinds.find_map(|kind| match kind {
            RoleKind::Pool(pool) => Some(pool),
            _ => None,
        });
        assert_eq!(pool.unwrap().vardiff, expected, "{line}");
    }
    let text = TINY.replace("kind = \"pool\"", "kind = \"pool\"\nvardiff = \"pid\"");
    assert!(refusal(&text).contains("pid"), "{}", refusal(&text));
}

#[test]
fn the_schema_for_editors_is_the_one_that_lies_beside_the_scenarios() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/schema.json");
    if std::env::var_os("ASSAY_WRITE_VECTORS").is_some() {
        std::fs::write(path, schema()).unwrap();
    }

    assert_eq!(std::fs::read_to_string(path).unwrap(), schema());
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_a_way_out() {
    let with = |more: &str| format!("{TINY}{more}");
    let wrong = [
        TINY.replace("upstream", "upstrean"),
        TINY.replace("upstream = \"pool\"", "upstream = \"pol\""),
        TINY.replace("upstream = \"pool\"", ""),
        TINY.replace("mining-device", "minig-device"),
        with("count = 0\n"),
        with("hash_rate = \"fast\"\n"),
        with("[role.proxy]\nkind = \"mining-proxy\"\nupstream = \"miners\"\n"),
        with("[role.other]\nkind = \"pool\"\n"),
        with(
            "[role.a]\nkind = \"mining-proxy\"\nupstream = \"b\"\n\
             [role.b]\nkind = \"mining-proxy\"\nupstream = \"a\"\nlisten = 1\n",
        ),
        with("[role.jdc]\nkind = \"job-declarator-client\"\nupstream = \"pool\"\n"),
        with("[chain]\nkind = \"bitcoind\"\nnbits = 1\n"),
        with("[role.POOL]\nkind = \"pool\"\n"),
        TINY.replace("kind = \"pool\"", "kind = \"pool\"\nlisten = \"0.0.0.0:34254\""),
        TINY.replace(
            "kind = \"pool\"",
            "kind = \"pool\"\nrecipe = \"a\"\naddress = \"stratum2+tcp://a:1\"",
        ),
        String::new(),
    ];

    let refusals: Vec<String> = wrong.iter().map(|text| refusal(text)).collect();

    insta::assert_snapshot!(refusals.join("\n"), @r#"
    test.toml:8:1: unknown key "upstrean"; did you mean "upstream"?
    test.toml:8:12: unknown role "pol"; did you mean "pool"?
    test.toml:6:7: "miners" needs a `upstream`, the name of a pool, mining-proxy or job-declarator-client: pool
    test.toml:7:8: unknown kind "minig-device"; did you mean "mining-device"?
    test.toml:9:9: expected a number from 1 to 10000, got 0
    test.toml:9:13: expected a hash rate such as "50kH/s" or "1.5TH/s", got "fast"
    test.toml:11:12: "miners" is a mining-device; expected a pool, mining-proxy or job-declarator-client
    test.toml:9:7: port 34254 is that of "pool" already (line 4): give "other" another with `listen`
    test.toml:9:7: upstreams go in a circle: a, b, a
    test.toml:9:7: "jdc" declares jobs to "pool", which has no job declarator server: add a role of kind "job-declarator-server" with pool = "pool"
    test.toml:11:9: `nbits` is for kind = "embedded" alone
    test.toml:9:7: "POOL" is no name of a role: expected at most 32 of a-z, 0-9 and -
    test.toml:6:10: 0.0.0.0:34254 can be reached from outside, and a key made from the seed is known to all: make one with `assay key new FILE` and name it as `key_file` of "pool"
    test.toml:7:11: a role has either an `address` or a `recipe`
    test.toml:1:1: a scenario has at least one role: [role.NAME] with a `kind`
    "#);
}

#[test]
fn who_depends_on_whom_decides_the_order_and_not_the_file() {
    let scenario = load(
        "[role.miners]\nkind = \"mining-device\"\nupstream = \"proxy\"\n\
         [role.proxy]\nkind = \"mining-proxy\"\nupstream = \"pool\"\n\
         [role.pool]\nkind = \"pool\"\n\
         [role.provider]\nkind = \"template-provider\"\n",
    )
    .unwrap();

    let order = scenario.start_order();
    let names: Vec<&str> = order.iter().map(|id| scenario.role(*id).name.as_str()).collect();

    assert_eq!(names, ["provider", "pool", "proxy", "miners"]);
}

#[test]
fn the_command_line_moves_ports_and_gives_roles_to_others() {
    let overrides = Overrides {
        ports: Ports::Above(1_000),
        replace: vec![parse_replacement("pool=stratum2+tcp://10.0.0.1:34254").unwrap()],
        ..Overrides::default()
    };

    let scenario = Scenario::load("test.toml", TINY, &overrides).unwrap();

    let pool = scenario.role(scenario.role_named("pool").unwrap());
    let provider = scenario.role(scenario.role_named("template-provider").unwrap());
    assert!(matches!(&pool.held_by, HeldBy::Address(url) if url.host == "10.0.0.1"));
    assert_eq!(provider.listen.unwrap().port(), 9_442);
}

#[test]
fn who_has_an_address_of_others_needs_nothing_from_us() {
    let scenario = load(
        "[role.pool]\nkind = \"pool\"\naddress = \"stratum2+tcp://10.0.0.1:34254\"\n\
         [role.miners]\nkind = \"mining-device\"\nupstream = \"pool\"\n",
    );

    assert_eq!(scenario.unwrap().roles.len(), 2);
}

#[test]
fn devices_are_shared_out_as_the_fleets_have_shared_theirs() {
    let fleets = "\n[role.more]\nkind = \"mining-device\"\nupstream = \"pool\"\ncount = 3\n";
    for (count, shares) in [(2, [1, 1]), (4, [1, 3]), (5, [1, 4]), (400, [100, 300])] {
        let mut scenario = load(&format!("{TINY}{fleets}")).unwrap();

        scenario.set_device_count(count).unwrap();

        let counts = scenario.roles.iter().filter(|role| role.kind.kind().is_device());
        let counts: Vec<u32> = counts.map(|role| role.kind.member_count()).collect();
        assert_eq!(counts, shares, "{count} devices");
    }
}

#[test]
fn blocks_are_as_far_apart_for_more_devices() {
    let mut scenario = load(TINY).unwrap();
    let hashes = |scenario: &Scenario| {
        sv2::wire::Target::from_compact(scenario.chain.nbits).unwrap().expected_hashes()
    };
    let before = hashes(&scenario);

    scenario.set_device_count(1_000).unwrap();

    let growth = hashes(&scenario) / before;
    assert!((growth / 1_000.0 - 1.0).abs() < 1e-4, "{growth}");
}

#[test]
fn fewer_devices_than_fleets_are_refused() {
    let error = load(TINY).unwrap().set_device_count(0).unwrap_err();

    assert_eq!(error, "0 devices cannot be shared out among 1 fleets");
}
