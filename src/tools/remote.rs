//! Lives here: asking a running server through `/admin`: one request over plain HTTP.
//! Not here: what is asked, and what is made of the answer.
//!
//! Invariant: the token goes to the server that was named and nowhere else.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::ToolError;
use crate::admin::Token;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer may take: a backup is as long as the world is large.
const ANSWER_LIMIT: Duration = Duration::from_hours(6);
/// The longest answer that is taken, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// A running server, and the right to give it orders.
pub(super) struct Remote {
    authority: String,
    token: Token,
}

impl Remote {
    /// The server at `url`, with the token in a file.
    ///
    /// # Errors
    /// When the address is none, or the file holds no token or is open to others.
    pub(super) fn new(url: &str, token_file: &Path) -> Result<Self, ToolError> {
        let authority = url.strip_prefix("http://").ok_or_else(|| {
            ToolError::Failed(format!(
                "--server {url}: allowed is http://ADDRESS:PORT. For a server with TLS, go through \
                 an address of its own host, or use curl"
            ))
        })?;
        let authority = authority.trim_end_matches('/').to_owned();
        if authority.is_empty() || authority.contains(['/', '@', ' ', '\r', '\n']) {
            let words = format!("--server {url}: allowed is http://ADDRESS:PORT");
            return Err(ToolError::Failed(words));
        }
        let token = Token::of_file(token_file)
            .map_err(|why| ToolError::Failed(format!("{}: {why}", token_file.display())))?;
        Ok(Self { authority, token })
    }

    /// Gives an order; its answer as JSON.
    ///
    /// # Errors
    /// When the server can't be reached, or its own words when it refuses.
    pub(super) fn post(&self, path: &str, order: &impl Serialize) -> Result<Value, ToolError> {
        let words = |why: String| ToolError::Failed(format!("http://{}: {why}", self.authority));
        let body = serde_json::to_string(order).map_err(|error| words(error.to_string()))?;
        let answer = self
            .exchange(path, &body)
            .map_err(|error| words(error.to_string()))?;
        let (status, body) = split(&answer).ok_or_else(|| words("its answer is no HTTP".into()))?;
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        match (status, told["error"]["message"].as_str()) {
            (200, _) => Ok(told),
            (_, Some(message)) => Err(words(message.to_owned())),
            (status, None) => Err(words(format!("it answered {status}"))),
        }
    }

    fn exchange(&self, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let mut last = io::Error::other("the address leads nowhere");
        for address in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
                Ok(socket) => return self.speak(socket, path, body),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn speak(&self, mut socket: TcpStream, path: &str, body: &str) -> io::Result<Vec<u8>> {
        socket.set_read_timeout(Some(ANSWER_LIMIT))?;
        socket.set_write_timeout(Some(CONNECT_LIMIT))?;
        let (host, length) = (&self.authority, body.len());
        let mut request = format!(
            "POST /admin/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nAuthorization: "
        )
        .into_bytes();
        self.token.write_header(&mut request);
        request.extend_from_slice(format!("\r\n\r\n{body}").as_bytes());
        socket.write_all(&request)?;
        let mut answer = Vec::new();
        socket.take(MOST_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// The status and the body of an answer.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, &answer[end + 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let answer = b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n{}";
        assert_eq!(split(answer), Some((404, &b"{}"[..])));
        for wrong in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"hello\r\n\r\n"] {
            assert_eq!(split(wrong), None);
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_before_the_token_is_read() {
        for url in [
            "127.0.0.1:1",
            "https://a:1",
            "http://",
            "http://a/b",
            "http://u@h:1",
        ] {
            let error = Remote::new(url, Path::new("/no/such"))
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains("allowed is http://ADDRESS:PORT"), "{error}");
        }
        let error = Remote::new("http://a:1/", Path::new("/no/such"))
            .err()
            .unwrap();
        assert!(
            error.to_string().starts_with("/no/such: No such file"),
            "{error}"
        );
    }
}
