//! Lives here: `POST /admin/refusals`: whom the world refused most often, and by which rules.
//! Not here: the counting (`actors`), who may ask (`admin`).

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actors::Refused;
use serde::{Deserialize, Serialize};
use world_data::World;

use super::{enter, read, tell};
use crate::http::Host;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// How many sessions.
    most: usize,
}

#[derive(Serialize)]
struct Answer {
    sessions: Vec<Refused>,
}

/// Adds the route.
pub(super) fn routes<W: World>(service: &mut ServiceConfig) {
    service.route("/admin/refusals", web::post().to(ask::<W>));
}

async fn ask<W: World>(
    request: HttpRequest,
    payload: Payload,
    host: Data<Host<W>>,
) -> HttpResponse {
    let done = async {
        enter(&request, &host)?;
        let Ask { most } = read(payload).await?;
        let sessions = host.runtime.refused(most);
        Ok::<_, super::Refusal>(Answer { sessions })
    };
    tell(done.await)
}
