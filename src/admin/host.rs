//! Lives here: orders about the host as a whole: a backup of its world, and its stop.
//! Not here: who may give them (`admin`), what a backup is (`world-data`), the stop itself (`server`).
//!
//! Invariant: a backup is written below the folder that the configuration names, and nowhere else.

use std::path::{Path, PathBuf};

use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use world_data::World;

use super::refusal::Refusal;
use super::{AUDIT, enter, read, tell};
use crate::http::Host;

/// The longest name of a backup.
const NAME_LIMIT: usize = 64;

/// Adds the routes.
pub(super) fn routes<W: World>(service: &mut ServiceConfig) {
    service
        .route("/admin/backup", web::post().to(backup::<W>))
        .route("/admin/drain", web::post().to(drain::<W>));
}

/// Asks for a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// The name of its folder: letters, digits, `-`, `_` and `.`, not at the beginning.
    pub(crate) name: String,
}

/// Asks for the graceful stop.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {}

impl Backup {
    /// Where it goes.
    fn folder(&self, root: &str) -> Result<PathBuf, Refusal> {
        if root.is_empty() {
            let words = "the configuration names no folder for backups: see admin.backups";
            return Err(Refusal::conflict(words));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = (1..=NAME_LIMIT).contains(&self.name.len());
        if !fits || !self.name.chars().all(allowed) || self.name.starts_with('.') {
            return Err(Refusal::bad_request(&format!(
                "{:?} is no name of a backup: allowed are up to {NAME_LIMIT} letters, digits, \"-\", \
                 \"_\" and \".\", not at the beginning",
                self.name
            )));
        }
        Ok(Path::new(root).join(&self.name))
    }
}

async fn backup<W: World>(
    request: HttpRequest,
    payload: Payload,
    host: Data<Host<W>>,
) -> HttpResponse {
    let done = async {
        let peer = enter(&request, &host)?;
        let order = read::<Backup>(payload).await?;
        tracing::info!(target: AUDIT, %peer, order = "backup", name = order.name, "ordered");
        let folder = order
            .folder(&host.config.admin.backups)
            .inspect_err(|error| tracing::info!(target: AUDIT, %peer, ?error, "refused"))?;
        let runtime = host.runtime.clone();
        // On a thread of its own, to its end, whether the client waits or not.
        let made = web::block(move || {
            let made = runtime.engine().backup(runtime.world(), &folder);
            match &made {
                Ok(made) => tracing::info!(
                    target: AUDIT, %peer, order = "backup", folder = %folder.display(),
                    epoch = made.epoch, bytes = made.bytes, "done"
                ),
                Err(error) => {
                    tracing::info!(target: AUDIT, %peer, order = "backup", %error, "refused");
                }
            }
            made.map(|made| (folder, made))
        });
        let (folder, made) = made.await.map_err(|_| Refusal::internal())??;
        Ok::<Value, Refusal>(json!({
            "folder": folder, "epoch": made.epoch, "bytes": made.bytes,
        }))
    };
    tell(done.await)
}

async fn drain<W: World>(
    request: HttpRequest,
    payload: Payload,
    host: Data<Host<W>>,
) -> HttpResponse {
    let done = async {
        let peer = enter(&request, &host)?;
        let Drain {} = read(payload).await?;
        tracing::info!(target: AUDIT, %peer, order = "drain", "ordered");
        host.stop.notify_one();
        Ok::<Value, Refusal>(json!({
            "draining": true, "limit_seconds": host.config.shutdown_limit().as_secs(),
        }))
    };
    tell(done.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_stays_below_its_folder() {
        let folder = |name: &str| {
            let name = name.to_owned();
            Backup { name }.folder("/backups")
        };
        assert_eq!(
            folder("2026-11-26_a.1").unwrap(),
            Path::new("/backups/2026-11-26_a.1")
        );
        let long = "x".repeat(NAME_LIMIT + 1);
        for wrong in [
            "", ".", "..", ".a", "a/b", "/etc", "../a", "a b", "ä", "a\0", &long,
        ] {
            folder(wrong).unwrap_err();
        }
        let name = "a".to_owned();
        Backup { name }.folder("").unwrap_err();
    }
}
