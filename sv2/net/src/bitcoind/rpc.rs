//! JSON-RPC of a node, asynchronous and bounded: of one that we have started, or of a user's.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::{self, HttpError, Response};
use crate::base64::base64;

/// How to reach a node.
#[derive(Clone, PartialEq, Eq)]
pub struct RpcConfig {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How we show who we are.
    pub auth: Auth,
    /// For an answer, from the connect on.
    pub timeout: Duration,
    /// Longest answer, in bytes.
    pub answer_len_max: usize,
}

impl RpcConfig {
    /// With 30 seconds and 64 MiB for an answer: a template with a full block has about ten.
    pub fn new(host: impl Into<String>, port: u16, auth: Auth) -> Self {
        RpcConfig {
            host: host.into(),
            port,
            auth,
            timeout: Duration::from_secs(30),
            answer_len_max: 64 << 20,
        }
    }
}

impl std::fmt::Debug for RpcConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// How we show a node who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// The file `.cookie` that a node writes at each start; read for each call.
    Cookie(PathBuf),
    /// As in the node's settings.
    Password {
        /// `rpcuser`.
        user: String,
        /// `rpcpassword`.
        password: String,
    },
}

impl FromStr for RpcConfig {
    type Err = RpcUrlError;

    /// `http://user:password@host:port`, or `http://host:port?cookie=/path/to/.cookie`.
    fn from_str(url: &str) -> Result<Self, RpcUrlError> {
        let rest = url.strip_prefix("http://").ok_or(RpcUrlError::Scheme)?;
        let (rest, cookie) = match rest.split_once("?cookie=") {
            Some((rest, path)) => (rest, Some(path)),
            None => (rest, None),
        };
        let (password, place) = match rest.rsplit_once('@') {
            Some((password, place)) => (Some(password), place),
            None => (None, rest),
        };
        let (host, port) =
            place.trim_end_matches('/').rsplit_once(':').ok_or(RpcUrlError::Place)?;
        let port = port.parse().map_err(|_| RpcUrlError::Place)?;
        let auth = match (cookie, password.and_then(|text| text.split_once(':'))) {
            (Some(path), None) => Auth::Cookie(path.into()),
            (None, Some((user, password))) => {
                Auth::Password { user: user.into(), password: password.into() }
            }
            (Some(_), Some(_)) | (None, None) => return Err(RpcUrlError::Auth),
        };
        Ok(RpcConfig::new(host, port, auth))
    }
}

/// What is wrong with the URL of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RpcUrlError {
    /// Something else in front.
    #[error("the URL of a node starts with http:// (a node does not speak https)")]
    Scheme,
    /// No host and port.
    #[error("the URL of a node has a host and a port, as http://user:password@127.0.0.1:8332")]
    Place,
    /// None, or two.
    #[error(
        "the URL of a node has either user:password@ in front of the host or ?cookie=FILE at the \
         end"
    )]
    Auth,
}

/// Calls a node. Each call has its own connection, so that a long poll holds up nobody, and a
/// dropped future ends its call.
#[derive(Clone, Debug)]
pub struct RpcClient {
    config: RpcConfig,
}

impl RpcClient {
    pub(super) fn config(&self) -> &RpcConfig {
        &self.config
    }

    /// Connects to nothing yet.
    pub fn new(config: RpcConfig) -> Self {
        RpcClient { config }
    }

    /// Calls a method with parameters by position.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.call_within(self.config.timeout, method, params).await
    }

    /// The same with another timeout, for long polls.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn call_within(
        &self,
        patience: Duration,
        method: &str,
        params: Value,
    ) -> Result<Value, RpcError> {
        match timeout(patience, self.exchange(method, params)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RpcError::TimedOut { method: method.into(), patience }),
        }
    }

    async fn exchange(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let RpcConfig { host, port, auth, answer_len_max, .. } = &self.config;
        let authorization = auth.header()?;
        let request = json!({ "jsonrpc": "1.0", "id": 0, "method": method, "params": params });
        let place = format!("{host}:{port}");
        let mut socket = TcpStream::connect((host.as_str(), *port)).await.map_err(|source| {
            RpcError::Http { place: place.clone(), source: HttpError::Socket(source) }
        })?;
        let body = request.to_string();
        let response = http::post(
            &mut socket,
            &place,
            "/",
            Some(&authorization),
            body.as_bytes(),
            *answer_len_max,
        )
        .await
        .map_err(|source| RpcError::Http { place, source })?;
        to_result(method, response)
    }
}

fn to_result(method: &str, Response { status, body }: Response) -> Result<Value, RpcError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        result: Value,
        error: Option<ErrorObject>,
    }
    #[derive(Deserialize)]
    struct ErrorObject {
        code: i64,
        message: String,
    }
    if status == 401 || status == 403 {
        return Err(RpcError::Unauthorised { status });
    }
    // A node's errors come with other statuses than 200, and a JSON-RPC body all the same.
    match serde_json::from_slice(&body) {
        Ok(Answer { error: Some(ErrorObject { code, message }), .. }) => {
            Err(RpcError::Refused { method: method.into(), code, message })
        }
        Ok(Answer { result, error: None }) if status == 200 => Ok(result),
        _ => Err(RpcError::NotJsonRpc { status }),
    }
}

impl Auth {
    fn header(&self) -> Result<String, RpcError> {
        let text = match self {
            Auth::Cookie(path) => std::fs::read_to_string(path)
                .map_err(|source| RpcError::Cookie { path: path.clone(), source })?,
            Auth::Password { user, password } => format!("{user}:{password}"),
        };
        Ok(format!("Basic {}", base64(text.trim_end().as_bytes())))
    }
}

/// Why a call has no result.
#[derive(Debug, Error)]
pub enum RpcError {
    /// The cookie cannot be read: the node does not run, or is another user's.
    #[error("cannot read the node's cookie {}: {source}", path.display())]
    Cookie {
        /// Of the cookie.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No connection, or no whole answer.
    #[error("node {place}: {source}")]
    Http {
        /// Host and port.
        place: String,
        /// Why.
        source: HttpError,
    },
    /// No answer in time.
    #[error("the node has not answered {method} within {} s", patience.as_secs())]
    TimedOut {
        /// Called.
        method: String,
        /// Our timeout.
        patience: Duration,
    },
    /// Wrong cookie or password, or an address that the node does not allow.
    #[error("the node refuses us (HTTP status {status}): check user and password, or the cookie")]
    Unauthorised {
        /// 401 or 403.
        status: u16,
    },
    /// Something else than a node answers.
    #[error("the answer (HTTP status {status}) is not JSON-RPC: is this a node's RPC port?")]
    NotJsonRpc {
        /// Of the answer.
        status: u16,
    },
    /// The node says no.
    #[error("{method}: {message} (RPC error {code})")]
    Refused {
        /// Called.
        method: String,
        /// The node's number.
        code: i64,
        /// The node's words.
        message: String,
    },
}

impl RpcError {
    /// The node's own number for its refusal.
    pub fn code(&self) -> Option<i64> {
        match self {
            RpcError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn a_url_names_place_and_secret() {
        let url = "http://me:se:cr@et@node.example:8332/";
        let config: RpcConfig = url.parse().unwrap();

        assert_eq!((config.host.as_str(), config.port), ("node.example", 8332));
        assert!(config.auth == Auth::Password { user: "me".into(), password: "se:cr@et".into() });
        assert_eq!(format!("{config:?}"), "http://node.example:8332", "the secret is not shown");
    }

    #[test]
    fn a_url_that_lacks_something_says_what() {
        for (url, error) in [
            ("https://a:b@c:1", RpcUrlError::Scheme),
            ("http://a:b@c", RpcUrlError::Place),
            ("http://a:b@c:port", RpcUrlError::Place),
            ("http://c:1", RpcUrlError::Auth),
            ("http://a:b@c:1?cookie=/d", RpcUrlError::Auth),
        ] {
            assert_eq!(url.parse::<RpcConfig>(), Err(error), "{url}");
        }
    }

    /// Answers one call with `response` and gives back what was asked.
    async fn call(response: &str, patience: Duration) -> (Result<Value, RpcError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let auth = Auth::Password { user: "a".into(), password: "b".into() };
        let client = RpcClient::new(RpcConfig::new("127.0.0.1", port, auth));
        let serve = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1000];
            let len = socket.read(&mut request).await.unwrap();
            socket.write_all(response.as_bytes()).await.unwrap();
            let asked = String::from_utf8(request[..len].to_vec()).unwrap();
            // Held open: an answer must not need the end of the connection.
            (asked, socket)
        };
        let (outcome, (asked, _socket)) =
            tokio::join!(client.call_within(patience, "getblockcount", json!([])), serve);
        (outcome, asked)
    }

    #[tokio::test]
    async fn a_call_is_authorised_and_its_result_read() {
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n\
                        {\"result\": 101, \"error\":null,\"id\":0}\n";

        let (outcome, asked) = call(response, Duration::from_secs(30)).await;

        assert_eq!(outcome.unwrap(), json!(101));
        assert!(asked.contains("\r\nAuthorization: Basic YTpi\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_keeps_the_nodes_number_and_words() {
        let response = "HTTP/1.1 500 Error\r\nContent-Length: 67\r\n\r\n\
            {\"result\":null,\"error\":{\"code\":-28,\"message\":\"Loading\"},\"id\":0}    ";

        let (outcome, _) = call(response, Duration::from_secs(30)).await;

        let error = outcome.unwrap_err();
        assert_eq!(error.to_string(), "getblockcount: Loading (RPC error -28)");
        assert_eq!(error.code(), Some(-28));
    }

    #[tokio::test]
    async fn a_node_that_does_not_answer_times_out() {
        let (outcome, _) = call("HTTP/1.1 200 OK\r\n", Duration::from_millis(10)).await;

        assert!(matches!(outcome, Err(RpcError::TimedOut { .. })), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_wrong_password_is_told_from_a_wrong_port() {
        let unauthorised = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        let page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";

        let (first, _) = call(unauthorised, Duration::from_secs(30)).await;
        let (second, _) = call(page, Duration::from_secs(30)).await;

        assert!(matches!(first, Err(RpcError::Unauthorised { status: 401 })), "{first:?}");
        assert!(matches!(second, Err(RpcError::NotJsonRpc { status: 200 })), "{second:?}");
    }
}
