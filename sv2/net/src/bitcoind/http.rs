//! As much HTTP/1.1 as JSON-RPC needs: one request and one answer for each connection.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The socket failed, or the answer ended early.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The answer is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    Malformed(&'static str),
    /// The answer is longer than we take.
    #[error("the answer is longer than {max} bytes, the limit")]
    TooLong {
        /// In bytes.
        max: usize,
    },
}

/// Posts `body` as JSON and reads the whole answer, which is at most `body_len_max` bytes long.
pub(crate) async fn post(
    socket: &mut TcpStream,
    host: &str,
    path: &str,
    authorization: Option<&str>,
    body: &[u8],
    body_len_max: usize,
) -> Result<Response, HttpError> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    if let Some(authorization) = authorization {
        request.push_str("Authorization: ");
        request.push_str(authorization);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut bytes = request.into_bytes();
    bytes.extend_from_slice(body);
    socket.write_all(&bytes).await?;
    read_response(&mut BufReader::new(socket), body_len_max).await
}

async fn read_response(
    socket: &mut (impl AsyncBufReadExt + Unpin),
    body_len_max: usize,
) -> Result<Response, HttpError> {
    let mut head_len_left = HEAD_LEN_MAX;
    let status_line = read_line(socket, &mut head_len_left).await?;
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or(HttpError::Malformed("no status line"))?;
    let (mut length, mut is_chunked) = (None, false);
    loop {
        let line = read_line(socket, &mut head_len_left).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(HttpError::Malformed("a bad header"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().map_err(|_| HttpError::Malformed("a bad length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            is_chunked = value.eq_ignore_ascii_case("chunked");
        }
    }
    let body = if is_chunked {
        read_chunks(socket, body_len_max).await?
    } else {
        read_body(socket, length, body_len_max).await?
    };
    Ok(Response { status, body })
}

/// Up to `length` bytes, or to the end of the connection.
async fn read_body(
    socket: &mut (impl AsyncBufReadExt + Unpin),
    length: Option<usize>,
    max: usize,
) -> Result<Vec<u8>, HttpError> {
    if length.is_some_and(|length| length > max) {
        return Err(HttpError::TooLong { max });
    }
    let mut body = Vec::new();
    let most = length.unwrap_or(max.saturating_add(1));
    // Memory grows with what arrives, not with what is announced.
    socket.take(most as u64).read_to_end(&mut body).await?;
    match length {
        Some(length) if body.len() < length => Err(cut().into()),
        None if body.len() > max => Err(HttpError::TooLong { max }),
        _ => Ok(body),
    }
}

/// Proxies in front of a node answer like this.
async fn read_chunks(
    socket: &mut (impl AsyncBufReadExt + Unpin),
    max: usize,
) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    loop {
        let line = read_line(socket, &mut { CHUNK_LINE_LEN_MAX }).await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16)
            .map_err(|_| HttpError::Malformed("a bad length of a chunk"))?;
        if length == 0 {
            return Ok(body);
        }
        let chunk = read_body(socket, Some(length), max.saturating_sub(body.len())).await.map_err(
            |error| match error {
                HttpError::TooLong { .. } => HttpError::TooLong { max },
                error => error,
            },
        )?;
        body.extend_from_slice(&chunk);
        if !read_line(socket, &mut { CHUNK_LINE_LEN_MAX }).await?.is_empty() {
            return Err(HttpError::Malformed("a chunk is longer than it says"));
        }
    }
}

/// A line without its end; what it takes is subtracted from `len_left`.
async fn read_line(
    socket: &mut (impl AsyncBufReadExt + Unpin),
    len_left: &mut u64,
) -> Result<String, HttpError> {
    let mut line = String::new();
    let len = socket.take(*len_left).read_line(&mut line).await?;
    *len_left -= len as u64;
    if !line.ends_with('\n') {
        return Err(if *len_left == 0 {
            HttpError::Malformed("a head without end")
        } else {
            cut().into()
        });
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ends early")
}

const HEAD_LEN_MAX: u64 = 16 << 10;
const CHUNK_LINE_LEN_MAX: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(response: &str) -> String {
        match read_response(&mut response.as_bytes(), 10).await {
            Ok(Response { status, body }) => {
                format!("{status} {}", String::from_utf8(body).unwrap())
            }
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn bodies_of_all_three_kinds_are_read() {
        let length = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd";
        let to_the_end = "HTTP/1.0 500 Oh\r\n\r\nabcd";
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                      2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n";

        assert_eq!(read(length).await, "200 abc");
        assert_eq!(read(to_the_end).await, "500 abcd");
        assert_eq!(read(chunks).await, "200 abc");
    }

    #[tokio::test]
    async fn an_answer_longer_than_the_limit_is_refused() {
        let refusal = "the answer is longer than 10 bytes, the limit";
        for response in [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nelevenbytes",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n3\r\nabc\r\n",
        ] {
            assert_eq!(read(response).await, refusal, "{response}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_or_no_http_is_an_error() {
        let cut = "the answer ends early";
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").await, cut);
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Le").await, cut);
        assert_eq!(read("SSH-2.0\r\n\r\n").await, "the answer is not HTTP: no status line");
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(20_000));
        assert_eq!(read(&endless).await, "the answer is not HTTP: a head without end");
    }
}
