//! Lives here: what the server answers over plain HTTP: its health, its metrics, its status.
//! Not here: the WebSocket (`gateway`) and a world's page (`page`).

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, web};
use actors::{Runtime, Status};
use serde::Serialize;
use world_data::World;

use crate::gateway::{self, Doors, Gateway};
use crate::page::{self, Asset, look};
use crate::{config::Config, metrics};

/// The media type of Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the answers are made of.
pub(crate) struct Host<W: World> {
    pub(crate) runtime: Runtime<W>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) config: Config,
}

impl<W: World> Clone for Host<W> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            doors: Arc::clone(&self.doors),
            config: self.config.clone(),
        }
    }
}

/// Adds every route of the server.
pub(crate) fn routes<W: World>(
    service: &mut ServiceConfig,
    host: &Host<W>,
    page: &'static [Asset],
) {
    let gateway = Gateway::new(
        host.runtime.clone(),
        host.config.gateway.clone(),
        Arc::clone(&host.doors),
    );
    service
        .app_data(Data::new(gateway))
        .app_data(Data::new(host.clone()))
        .route("/v1/ws", web::get().to(gateway::connect::<W>))
        .route("/v1/status", look().to(status::<W>))
        .route("/healthz", look().to(healthz))
        .route("/readyz", look().to(readyz::<W>))
        .route("/metrics", look().to(metrics_page));
    page::routes(service, page);
}

/// The process is alive.
async fn healthz() -> HttpResponse {
    text(HttpResponse::Ok(), "alive\n")
}

/// The world is recovered, its regions run and logins are taken.
async fn readyz<W: World>(host: Data<Host<W>>) -> HttpResponse {
    if host.doors.are_closed() {
        text(HttpResponse::ServiceUnavailable(), "draining\n")
    } else if host.runtime.ready() {
        text(HttpResponse::Ok(), "ready\n")
    } else {
        text(HttpResponse::ServiceUnavailable(), "starting\n")
    }
}

async fn metrics_page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(METRICS_TYPE)
        .body(metrics::exporter().render())
}

/// The whole server, as `/v1/status` tells it.
#[derive(Serialize)]
struct StatusPage {
    version: &'static str,
    world: &'static str,
    partition_epoch: u64,
    hosts: Vec<HostStatus>,
}

#[derive(Serialize)]
struct HostStatus {
    #[serde(flatten)]
    actors: Status,
    socket_threads: usize,
    sockets: usize,
}

async fn status<W: World>(host: Data<Host<W>>) -> HttpResponse {
    let actors = host.runtime.status();
    let page = StatusPage {
        version: env!("CARGO_PKG_VERSION"),
        world: actors.world,
        partition_epoch: actors.partition_epoch,
        hosts: vec![HostStatus {
            actors,
            socket_threads: host.config.socket_threads(),
            sockets: host.doors.sockets(),
        }],
    };
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(page)
}

fn text(mut response: actix_web::HttpResponseBuilder, words: &'static str) -> HttpResponse {
    response
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(words)
}
