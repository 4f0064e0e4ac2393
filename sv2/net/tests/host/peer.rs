//! A peer of a host under test: the connection layer on a socket, and nothing else.

use std::net::SocketAddr;

use bytes::BytesMut;
use sv2::common::ChannelEndpointChanged;
use sv2::connection::{Connection, ConnectionConfig, InitiatorSecurity, Received};
use sv2::message::Message;
use sv2::noise::CipherSuite;
use sv2::wire::Tlvs;
use sv2_net::clock::Clock;
use sv2_net::entropy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Peer {
    socket: TcpStream,
    connection: Connection,
    input: BytesMut,
}

impl Peer {
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        Peer::open(address, InitiatorSecurity::Plain).await
    }

    pub(crate) async fn noise(address: SocketAddr) -> Self {
        let suite = CipherSuite::default();
        Peer::open(address, InitiatorSecurity::Noise { suite, authority: None }).await
    }

    async fn open(address: SocketAddr, security: InitiatorSecurity) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut act_1 = Vec::new();
        let connection = Connection::initiator(
            ConnectionConfig::default(),
            security,
            Clock::of_process().now(),
            &mut entropy::from_system(),
            &mut act_1,
        );
        let mut peer = Peer { socket, connection, input: BytesMut::new() };
        peer.socket.write_all(&act_1).await.unwrap();
        let established = peer.next().await;
        assert!(matches!(established, Some(Received::Established { .. })));
        peer
    }

    pub(crate) async fn send(&mut self, channel_id: u32) {
        let mut bytes = Vec::new();
        let message = ChannelEndpointChanged { channel_id }.into();
        self.connection.send_message(&message, &Tlvs::NONE, &mut bytes).unwrap();
        self.socket.write_all(&bytes).await.unwrap();
    }

    /// The number in the next message; `None` at the end of the connection.
    pub(crate) async fn receive(&mut self) -> Option<u32> {
        match self.next().await? {
            Received::Frame(frame) => match Message::decode(&frame).unwrap().message {
                Message::ChannelEndpointChanged(message) => Some(message.channel_id),
                other => panic!("{other:?} was not asked for"),
            },
            Received::Established { .. } => panic!("established twice"),
        }
    }

    /// Closes without the usual farewell.
    pub(crate) fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }

    async fn next(&mut self) -> Option<Received> {
        loop {
            let now = Clock::of_process().now();
            let received = self.connection.receive(now, &mut self.input, &mut Vec::new()).unwrap();
            if received.is_some() {
                return received;
            }
            if self.socket.read_buf(&mut self.input).await.unwrap() == 0 {
                assert_eq!(self.connection.end(&self.input), Ok(()));
                return None;
            }
        }
    }
}
