//! A real node: its RPC, its templates as chain events, and its processes.

mod control;
mod http;
mod node;
mod rpc;
mod templates;

pub use control::ControlError;
pub use node::{Network, Node, NodeConfig, NodeError};
pub use rpc::{Auth, RpcClient, RpcConfig, RpcError};
pub use templates::{BitcoindChain, TemplateError, parse_template};
