//! Lives here: what the server answers over plain HTTP: its health, its metrics, its status.
//! Not here: the WebSocket (`gateway`), a world's page (`page`), the operators' page (`console`) and
//! their orders (`admin`).

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, web};
use actors::{Runtime, Status};
use serde::Serialize;
use tokio::sync::Notify;
use world_data::{Map, World};

use crate::admin::{self, Admin};
use crate::console::{self, Last};
use crate::gateway::{self, Doors, Gateway};
use crate::login::Logins;
use crate::page::{self, Asset, look};
use crate::{config::Config, metrics};

/// The media type of Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the answers are made of.
pub(crate) struct Host<W: World> {
    pub(crate) runtime: Runtime<W>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) config: Config,
    pub(crate) map: Map,
    /// Who may give orders; none when nobody may.
    pub(crate) admin: Option<Arc<Admin>>,
    pub(crate) console: Arc<Last>,
    /// An operator has ordered the graceful stop.
    pub(crate) stop: Arc<Notify>,
}

impl<W: World> Clone for Host<W> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            doors: Arc::clone(&self.doors),
            logins: Arc::clone(&self.logins),
            config: self.config.clone(),
            map: self.map,
            admin: self.admin.clone(),
            console: Arc::clone(&self.console),
            stop: Arc::clone(&self.stop),
        }
    }
}

/// Adds every route of the server.
pub(crate) fn routes<W: World>(
    service: &mut ServiceConfig,
    host: &Host<W>,
    page: &'static [Asset],
) {
    service
        .app_data(Data::new(Gateway::new(host)))
        .app_data(Data::new(host.clone()))
        .route("/v1/ws", web::get().to(gateway::connect::<W>))
        .route("/v1/status", look().to(status::<W>))
        .route("/healthz", look().to(healthz))
        .route("/readyz", look().to(readyz::<W>))
        .route("/metrics", look().to(metrics_page));
    console::routes::<W>(service);
    admin::routes::<W>(service);
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
pub(crate) struct StatusPage {
    version: &'static str,
    world: &'static str,
    partition_epoch: u64,
    hosts: Vec<HostStatus>,
}

#[derive(Serialize)]
struct HostStatus {
    #[serde(flatten)]
    actors: Status,
    tick_hz: u32,
    socket_threads: usize,
    sockets: usize,
}

impl<W: World> Host<W> {
    /// How the whole server is.
    pub(crate) fn status(&self) -> StatusPage {
        let actors = self.runtime.status();
        StatusPage {
            version: env!("CARGO_PKG_VERSION"),
            world: actors.world,
            partition_epoch: actors.partition_epoch,
            hosts: vec![HostStatus {
                actors,
                tick_hz: self.config.regions.tick_hz,
                socket_threads: self.config.socket_threads(),
                sockets: self.doors.sockets(),
            }],
        }
    }
}

async fn status<W: World>(host: Data<Host<W>>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(host.status())
}

fn text(mut response: actix_web::HttpResponseBuilder, words: &'static str) -> HttpResponse {
    response
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(words)
}
