//! The two ends of a relayed connection: the connection layer on a socket, and nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sv2::connection::{
    Connection, ConnectionConfig, InitiatorSecurity, Received, ResponderSecurity,
};
use sv2::entropy::Entropy;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite, Identity, StaticKey};
use sv2::role::PeerAddress;
use sv2::wire::Frame;
use sv2_net::clock::Clock;
use sv2_net::entropy;
use sv2_net::identity::Certifier;
use sv2_net::relay::{Mode, NotRecorded, Record, Recorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One end.
pub(crate) struct End {
    pub(crate) socket: TcpStream,
    connection: Connection,
    input: BytesMut,
}

impl End {
    /// Dials.
    pub(crate) async fn dial(address: &PeerAddress) -> End {
        let (host, port) = (address.host.as_str(), address.port);
        let socket = TcpStream::connect((host, port)).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let security = InitiatorSecurity::Noise {
            suite: CipherSuite::default(),
            authority: address.authority,
        };
        let mut act_1 = Vec::new();
        let connection = Connection::initiator(
            ConnectionConfig::default(),
            security,
            Clock::of_process().now(),
            &mut entropy::from_system(),
            &mut act_1,
        );
        let mut end = End { socket, connection, input: BytesMut::new() };
        end.socket.write_all(&act_1).await.unwrap();
        let established = end.next().await;
        assert!(matches!(established, Some(Received::Established { .. })));
        end
    }

    pub(crate) async fn send(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        self.connection.send_frame(frame, &mut bytes).unwrap();
        self.socket.write_all(&bytes).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn receive(&mut self) -> Option<Frame> {
        match self.next().await? {
            Received::Frame(frame) => Some(frame),
            Received::Established { .. } => panic!("established twice"),
        }
    }

    async fn next(&mut self) -> Option<Received> {
        loop {
            let mut out = Vec::new();
            let now = Clock::of_process().now();
            let received = self.connection.receive(now, &mut self.input, &mut out).unwrap();
            self.socket.write_all(&out).await.unwrap();
            if received.is_some() {
                return received;
            }
            if self.socket.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
            }
        }
    }
}

/// Where the other end listens.
pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) address: PeerAddress,
    identity: Arc<Identity>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(&mut entropy::from_system()).await
    }

    /// Servers of one seed have one authority.
    pub(crate) async fn with(entropy: &mut Entropy) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = AuthoritySecretKey::generate(entropy);
        let address = PeerAddress {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            authority: Some(authority.public_key()),
        };
        let key = StaticKey::generate(entropy);
        let identity = Arc::new(Identity::new(&authority, key, 0, u32::MAX, entropy));
        Server { listener, address, identity }
    }

    /// The next client, after its handshake.
    pub(crate) async fn accept(&self) -> End {
        let (socket, _) = self.listener.accept().await.unwrap();
        self.greet(socket).await
    }

    /// The next client, before its handshake.
    pub(crate) async fn accept_silently(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Shakes hands.
    pub(crate) async fn greet(&self, socket: TcpStream) -> End {
        socket.set_nodelay(true).unwrap();
        let security = ResponderSecurity::Noise {
            suite: CipherSuite::default(),
            identity: Arc::clone(&self.identity),
        };
        let connection = Connection::responder(
            ConnectionConfig::default(),
            security,
            Clock::of_process().now(),
            &mut entropy::from_system(),
        );
        let mut end = End { socket, connection, input: BytesMut::new() };
        let established = end.next().await;
        assert!(matches!(established, Some(Received::Established { .. })));
        end
    }
}

/// Ends Noise on both sides, with an authority of its own.
pub(crate) fn terminating() -> (Mode, AuthorityPublicKey) {
    let mut entropy = entropy::from_system();
    let authority = AuthoritySecretKey::generate(&mut entropy);
    let public_key = authority.public_key();
    let now = Clock::of_process().now().unix;
    let hour = Duration::from_secs(3600);
    let down = Some(Arc::new(Certifier::renewing(authority, hour, now, entropy)));
    let mode = Mode::Terminating { down, is_up_plain: false, suite: CipherSuite::default() };
    (mode, public_key)
}

/// A frame of nobody's extension.
pub(crate) fn numbered(number: u32) -> Frame {
    Frame {
        extension_type: 0x7777,
        message_type: 0x33,
        payload: Bytes::copy_from_slice(&number.to_le_bytes()),
    }
}

/// Keeps all records, in order.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) records: Mutex<Vec<(u64, Record)>>,
    pub(crate) is_plain: bool,
    /// Nothing more is taken.
    pub(crate) is_full: bool,
}

impl Recorder for Memory {
    fn wants_plain(&self) -> bool {
        self.is_plain
    }

    fn record(&self, _: u64, stream: u64, record: Record) -> Result<(), NotRecorded> {
        if self.is_full && matches!(record, Record::Bytes { .. }) {
            return Err(NotRecorded);
        }
        self.records.lock().unwrap().push((stream, record));
        Ok(())
    }
}
