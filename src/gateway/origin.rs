//! Lives here: which pages may open a socket: those that this server itself serves, and those that
//! the configuration names.
//! Not here: who may log in over it (`login`).
//!
//! Invariant: a browser's page from elsewhere gets no socket, so it can't act for a visitor; a
//! client that names no origin is no browser, and is not held to this.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderValue, ORIGIN};
use actors::Refusal;
use protocol::ErrorCode;

/// Lets every origin in.
const ANY: &str = "*";

/// Lets a request in by where its page comes from. `origins`: those allowed besides our own,
/// separated by blanks.
///
/// # Errors
/// When the page is somebody else's.
pub(super) fn check(request: &HttpRequest, origins: &str) -> Result<(), Refusal> {
    let mut given = request.headers().get_all(ORIGIN);
    let Some(origin) = given.next() else {
        return Ok(());
    };
    let only = given.next().is_none();
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let good = |origin: &str| {
        let allowed = |one: &str| one == ANY || one.eq_ignore_ascii_case(origin);
        origins.split_ascii_whitespace().any(allowed) || is_ours(origin, host)
    };
    if only && origin.to_str().is_ok_and(good) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::BadLogin,
        "pages from elsewhere may not connect to this server (gateway.origins)",
    ))
}

/// Whether the page was served under the name that the socket is asked of. The scheme is not
/// compared: a proxy may have ended TLS.
fn is_ours(origin: &str, host: Option<&[u8]>) -> bool {
    let authority = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    authority
        .zip(host)
        .is_some_and(|(ours, host)| !ours.is_empty() && ours.as_bytes().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn allowed(host: &str, origins: &[&str], list: &str) -> bool {
        let mut request = TestRequest::default().append_header((HOST, host));
        for origin in origins {
            request = request.append_header((ORIGIN, *origin));
        }
        check(&request.to_http_request(), list).is_ok()
    }

    #[test]
    fn our_own_pages_and_those_that_are_named_may_connect() {
        let list = "https://play.example.org  http://dev:8080";
        for (host, origins, list, result) in [
            ("game:7777", &[][..], "", true),
            ("game:7777", &["http://game:7777"], "", true),
            ("game:7777", &["http://GAME:7777"], "", true),
            ("game", &["https://game"], "", true),
            ("game:7777", &["http://game:7778"], "", false),
            ("game:7777", &["http://game"], "", false),
            ("game:7777", &["http://evil:7777"], "", false),
            ("game:7777", &["http://game:7777.evil"], "", false),
            ("game:7777", &["http://game:7777", "http://evil"], "", false),
            ("game:7777", &["http://evil", "http://game:7777"], "", false),
            ("game:7777", &["null"], "", false),
            ("game:7777", &[""], "", false),
            ("", &["http://"], "", false),
            ("game:7777", &["game:7777"], "", false),
            ("game:7777", &["https://play.example.org"], list, true),
            ("game:7777", &["http://dev:8080"], list, true),
            ("game:7777", &["http://play.example.org"], list, false),
            ("game:7777", &["https://play.example.org.evil"], list, false),
            ("game:7777", &["http://evil"], "*", true),
            ("game:7777", &["null"], "null", true),
        ] {
            assert_eq!(
                allowed(host, origins, list),
                result,
                "{host} {origins:?} {list}"
            );
        }
    }
}
