//! Lives here: the list of the files that the meadow's page is made of, embedded in the binary.
//! Not here: the files (`page/`, and the client library in `clients/js`).

use brightstar::Asset;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:expr, $content_type:expr, $file:expr) => {
        Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!($file),
        }
    };
}

/// A script of the page.
macro_rules! page {
    ($name:literal) => {
        asset!(concat!("/", $name), JS, concat!("../page/", $name))
    };
}

/// A script of the client library.
macro_rules! client {
    ($name:literal) => {
        asset!(
            concat!("/", $name),
            JS,
            concat!("../../../clients/js/", $name)
        )
    };
}

/// The files of the page, by the path they are served under.
pub const PAGE: &[Asset] = &[
    asset!("/", HTML, "../page/index.html"),
    asset!("/style.css", CSS, "../page/style.css"),
    asset!("/icon.svg", SVG, "../page/icon.svg"),
    page!("draw.js"),
    page!("effects.js"),
    page!("game.js"),
    page!("ground.js"),
    page!("hud.js"),
    page!("input.js"),
    page!("labels.js"),
    page!("main.js"),
    page!("minimap.js"),
    page!("scenery.js"),
    page!("sprites.js"),
    page!("terrain.js"),
    page!("title.js"),
    client!("brightstar-base.js"),
    client!("brightstar-clock.js"),
    client!("brightstar-commands.js"),
    client!("brightstar-msgpack.js"),
    client!("brightstar-store.js"),
    client!("brightstar.js"),
];
