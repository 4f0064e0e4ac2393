//! One connection of a client: HTTP/1.1 by `hyper`, and what we take of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::envelope::{self, Answer};
use super::patience::Patient;
use super::service::Service;

/// Serves a client until it goes, is too slow, or the server ends.
pub(super) async fn serve(socket: TcpStream, service: Arc<Service>) {
    let limits = service.limits;
    let io = TokioIo::new(Patient::new(socket, limits.write_timeout));
    let answers = {
        let service = Arc::clone(&service);
        service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { Ok::<_, Infallible>(respond(&service, request).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also for the next request of a connection that is kept.
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(io, answers);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = service.stopping() => {
            connection.as_mut().graceful_shutdown();
            match timeout(limits.write_timeout, connection).await {
                Ok(outcome) => outcome,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a client of the RPC server");
    }
}

async fn respond(service: &Arc<Service>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "JSONRPC server handles only POST requests");
    }
    if request.uri().path() != "/" {
        return refuse(StatusCode::NOT_FOUND, "");
    }
    let shown = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    if !service.door.opens_to(shown) {
        if shown.is_some() {
            // Whoever guesses shall not guess fast; as Bitcoin Core does.
            tracing::warn!("a client of the RPC server has the wrong password");
            sleep(WRONG_PASSWORD_WAIT).await;
        }
        let mut refusal = refuse(StatusCode::UNAUTHORIZED, "");
        let realm = HeaderValue::from_static("Basic realm=\"jsonrpc\"");
        refusal.headers_mut().insert(WWW_AUTHENTICATE, realm);
        return refusal;
    }
    let body = match read(service, request.into_body()).await {
        Ok(body) => body,
        Err(status) => return refuse(status, ""),
    };
    let Answer { status, body } = envelope::answer(service, &body).await;
    let mut response = Response::new(Full::from(body.unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a constant that is a status");
    if status != StatusCode::NO_CONTENT {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    response
}

/// The body; the status for one that is too long, too slow or cut.
async fn read(service: &Service, body: Incoming) -> Result<Bytes, StatusCode> {
    let limits = service.limits;
    if body.size_hint().lower() > limits.body_len_max as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let whole = Limited::new(body, limits.body_len_max).collect();
    match timeout(limits.body_timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// Words for people. The connection ends with it: what its client sends besides is not read.
fn refuse(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Request line and headers, in bytes; also the most that is read ahead.
const HEAD_LEN_MAX: usize = 16 << 10;

/// See [`respond`].
const WRONG_PASSWORD_WAIT: Duration = Duration::from_millis(250);
