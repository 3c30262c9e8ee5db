//! Lives here: orders that the data service carries out, some of them waiting for the disk: those
//! about dead letters.
//! Not here: who may give them (`admin`), what they ask for (`tools::letters`).
//!
//! Invariant: none of them waits on a thread that serves sockets.

use std::fmt::Debug;

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde_json::Value;
use world_data::World;

use super::refusal::Refusal;
use super::{AUDIT, enter, read, tell};
use crate::http::Host;
use crate::tools::letters::{Drop, List, Question, Replay, Show};

/// Adds the routes.
pub(super) fn routes<W: World>(service: &mut ServiceConfig) {
    route::<W, List>(service);
    route::<W, Show>(service);
    route::<W, Replay>(service);
    route::<W, Drop>(service);
}

fn route<W: World, Q: Question + DeserializeOwned + Debug + Send + 'static>(
    service: &mut ServiceConfig,
) {
    let path = format!("/admin/{}", Q::PATH);
    service.route(&path, web::post().to(ask::<W, Q>));
}

async fn ask<W: World, Q: Question + DeserializeOwned + Debug + Send + 'static>(
    request: HttpRequest,
    payload: Payload,
    host: Data<Host<W>>,
) -> HttpResponse {
    let done = async {
        let peer = enter(&request, &host)?;
        let question = read::<Q>(payload).await?;
        tracing::info!(target: AUDIT, %peer, order = Q::PATH, ?question, "ordered");
        let runtime = host.runtime.clone();
        // On a thread of its own, to its end, whether the client waits or not.
        let answered = web::block(move || {
            let answered = question.answer(runtime.engine(), runtime.world());
            match &answered {
                Ok(_) => tracing::info!(target: AUDIT, %peer, order = Q::PATH, "done"),
                Err(error) => {
                    tracing::info!(target: AUDIT, %peer, order = Q::PATH, %error, "refused");
                }
            }
            answered
        });
        let answered: Value = answered.await.map_err(|_| Refusal::internal())??;
        Ok::<_, Refusal>(answered)
    };
    tell(done.await)
}
