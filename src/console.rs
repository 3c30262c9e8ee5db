//! Lives here: `/console`: the operators' page, embedded, and the state that it shows.
//! Not here: the page itself (`console/*`), the orders it can give (`admin`).
//!
//! Invariant: however many look and however often, the state is put together a few times per second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{Bytes, Data, ServiceConfig};
use serde::Serialize;
use tokio::time::Instant;
use world_data::{Map, World};

use crate::http::{Host, StatusPage};
use crate::page::{self, Asset, look};

/// What the page may do: nothing but what it brings itself.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Dots on the map of each sort, at most.
const MOST_DOTS: usize = 5_000;
/// How old a state may be. Less than from one question of the page to its next.
const STATE_AGE: Duration = Duration::from_millis(250);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:expr, $content_type:expr, $file:literal) => {
        Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!("console/", $file)),
        }
    };
}

macro_rules! script {
    ($name:literal) => {
        asset!(concat!("/console/", $name), JS, $name)
    };
}

/// The files of the page.
const PAGE: &[Asset] = &[
    asset!("/console", HTML, "index.html"),
    asset!("/console/style.css", CSS, "style.css"),
    asset!("/console/icon.svg", SVG, "icon.svg"),
    script!("actions.js"),
    script!("canvas.js"),
    script!("changes.js"),
    script!("charts.js"),
    script!("curve.js"),
    script!("figures.js"),
    script!("legend.js"),
    script!("main.js"),
    script!("map.js"),
    script!("marks.js"),
    script!("model.js"),
    script!("palette.js"),
    script!("pointing.js"),
    script!("poll.js"),
    script!("shape.js"),
    script!("steps.js"),
    script!("words.js"),
];

/// Adds the routes of `/console`.
pub(crate) fn routes<W: World>(service: &mut ServiceConfig) {
    page::assets(service, PAGE, POLICY);
    service
        .route("/console/", look().to(beside))
        .route("/console/state", look().to(state::<W>));
}

/// The page's addresses are relative to `/console`, so it is not served at `/console/`. Where it is
/// instead is told relative, too: a proxy may serve all of it under a path of its own.
async fn beside() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, "../console"))
        .finish()
}

/// What the page shows.
#[derive(Serialize)]
struct State {
    status: StatusPage,
    map: MapStatus,
    people: Vec<f32>,
    others: Vec<f32>,
}

/// The geometry of the world.
#[derive(Serialize)]
struct MapStatus {
    /// The side of a cell, in metres.
    cell: f64,
    /// Cells along one side.
    side: u32,
    /// Homes that are cells.
    cells: u64,
    /// All homes.
    line: u64,
}

impl MapStatus {
    fn of(map: &Map) -> Self {
        Self {
            cell: map.cell,
            side: map.side,
            cells: map.cells(),
            line: map.line(),
        }
    }
}

/// The state as it was last put together.
#[derive(Debug, Default)]
pub(crate) struct Last(Mutex<Option<(Instant, Bytes)>>);

async fn state<W: World>(host: Data<Host<W>>) -> HttpResponse {
    match recent(&host) {
        Ok(state) => HttpResponse::Ok()
            .insert_header(ContentType::json())
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(state),
        Err(error) => {
            tracing::error!(%error, "the console's state can't be written as JSON");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn recent<W: World>(host: &Host<W>) -> serde_json::Result<Bytes> {
    let now = Instant::now();
    // It is replaced as a whole, so it is whole after a panic, too.
    let mut last = host
        .console
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((at, state)) = &*last
        && now.saturating_duration_since(*at) < STATE_AGE
    {
        return Ok(state.clone());
    }
    let dots = host.runtime.dots(MOST_DOTS);
    let state = State {
        status: host.status(),
        map: MapStatus::of(&host.map),
        people: decimetres(dots.people),
        others: decimetres(dots.others),
    };
    let state = Bytes::from(serde_json::to_vec(&state)?);
    *last = Some((now, state.clone()));
    Ok(state)
}

/// Nobody sees more of a dot, and digits are most of what is sent.
fn decimetres(mut dots: Vec<f32>) -> Vec<f32> {
    for metres in &mut dots {
        *metres = (*metres * 10.0).round() / 10.0;
    }
    dots
}

#[cfg(test)]
mod tests {
    use std::fs::read_dir;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_and_no_other() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console");
        let mut files: Vec<String> = read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .map(|name| match name.as_str() {
                "index.html" => "/console".to_owned(),
                _ => format!("/console/{name}"),
            })
            .collect();
        files.sort_unstable();
        let mut served: Vec<&str> = PAGE.iter().map(|asset| asset.path).collect();
        served.sort_unstable();
        assert_eq!(served, files);
    }

    #[test]
    fn dots_are_told_in_decimetres() {
        let dots = decimetres(vec![0.04, 1_023.456_7, 2_047.99]);
        assert_eq!(serde_json::to_string(&dots).unwrap(), "[0.0,1023.5,2048.0]");
    }
}
