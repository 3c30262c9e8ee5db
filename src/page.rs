//! Lives here: the files of a world's page, as they are embedded in its binary and served.
//! Not here: the files themselves (`worlds/*/page`), the operators' page (`console`).

use std::hash::{DefaultHasher, Hash, Hasher};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, Route, guard, web};

/// What a page may do: its own scripts, styles and images, and `WebSocket`s, nothing of others.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; \
                      style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// What a world without a page says.
const NO_PAGE: &str = "This world has no page. Clients connect to /v1/ws; operators look at \
                       /console, /v1/status, /metrics, /healthz and /readyz.\n";

/// One file of a world's page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Where it is served: `/` for the page itself, `/meadow.js` for a file of it.
    pub path: &'static str,
    /// Its media type, as `text/html; charset=utf-8`.
    pub content_type: &'static str,
    /// The file: `include_bytes!`.
    pub bytes: &'static [u8],
}

/// A route for those who want to see: GET, and HEAD, whose answers go without their bodies.
pub(crate) fn look() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Adds a route per file. A world without a page says at `/` what there is instead.
pub(crate) fn routes(service: &mut ServiceConfig, page: &'static [Asset]) {
    if !page.iter().any(|asset| asset.path == "/") {
        service.route("/", look().to(async || NO_PAGE));
    }
    assets(service, page, POLICY);
}

/// Adds a route per file of a page that may do what `policy` says.
pub(crate) fn assets(service: &mut ServiceConfig, page: &'static [Asset], policy: &'static str) {
    for asset in page {
        // The name of the file's version: browsers ask with it, and get 304 when it is the same.
        let tag = tag(asset.bytes);
        let serve = move |request: HttpRequest| {
            let response = serve(asset, &tag, policy, &request);
            async move { response }
        };
        service.route(asset.path, look().to(serve));
    }
}

fn serve(
    asset: &'static Asset,
    tag: &str,
    policy: &'static str,
    request: &HttpRequest,
) -> HttpResponse {
    let known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|header| header.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"));
    if known {
        return response.finish();
    }
    response.content_type(asset.content_type).body(asset.bytes)
}

fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
