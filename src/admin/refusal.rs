//! Lives here: why an order is not carried out, and how that is said:
//! `{"error": {"code", "message"}}`.
//! Not here: finding out (`admin`).

use std::fmt::Display;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actors::OrderError;
use serde::Serialize;
use world_data::DeadError;
use world_data::backup::BackupError;

/// Why an order is not carried out. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Words<'a>,
}

#[derive(Serialize)]
struct Words<'a> {
    code: &'a str,
    message: &'a str,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
        }
    }

    /// The configuration names no token.
    pub(super) fn off() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "off",
            "/admin is off. To switch it on, write a token of at least 16 letters, digits or signs \
             to a file that only the server's user may read, name it in admin.token_file, and \
             start the server again",
        )
    }

    /// The token is missing or wrong.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this needs the operator's token, as `Authorization: Bearer TOKEN`",
        )
    }

    /// The address has tried too many wrong tokens.
    pub(super) fn too_fast() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_fast",
            "too many wrong tokens came from this address; try again later",
        )
    }

    /// The server is about to stop.
    pub(super) fn draining() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining",
            "the server is about to stop",
        )
    }

    /// The body is longer than any order.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("an order has at most {limit} bytes"),
        )
    }

    /// The body is no such order.
    pub(super) fn bad_request(error: &impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string())
    }

    /// There is no such order.
    pub(super) fn unknown_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown",
            "there are POST /admin/move, split, merge, pin, dead/list, dead/show, dead/replay, \
             dead/drop, refusals, backup and drain",
        )
    }

    /// It can't be done as things are.
    pub(super) fn conflict(words: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "refused", words)
    }

    /// A fault of ours; the log has it.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the order could not be followed to its end; look at the log and at /v1/status",
        )
    }

    /// The HTTP answer.
    pub(super) fn answer(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            answer.insert_header((RETRY_AFTER, "1"));
        }
        let (code, message) = (self.code, &self.message);
        answer.json(Body {
            error: Words { code, message },
        })
    }
}

impl From<DeadError> for Refusal {
    fn from(error: DeadError) -> Self {
        let message = error.to_string();
        match error {
            DeadError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "unknown", message),
            DeadError::NotReplayable(..) => Self::new(StatusCode::CONFLICT, "refused", message),
            DeadError::Store(_) => Self::internal(),
        }
    }
}

impl From<BackupError> for Refusal {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        match error {
            BackupError::Taken(_) | BackupError::Busy => Self::conflict(&message),
            BackupError::Write(..) | BackupError::World(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
            }
        }
    }
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Unknown(message) => Self::new(StatusCode::NOT_FOUND, "unknown", message),
            OrderError::Refused(message) => Self::new(StatusCode::CONFLICT, "refused", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    #[test]
    fn what_the_actors_refuse_has_its_status_code_and_words() {
        for (error, status, code) in [
            (
                OrderError::Unknown("no region 7".to_owned()),
                404,
                "unknown",
            ),
            (OrderError::Refused("one cell".to_owned()), 409, "refused"),
        ] {
            let words = error.to_string();
            let answer = Refusal::from(error).answer();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.headers().get(CACHE_CONTROL).unwrap(), "no-store");
            let body = answer.into_body().try_into_bytes().unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let told = serde_json::json!({ "error": { "code": code, "message": words } });
            assert_eq!(body, told);
        }
    }
}
