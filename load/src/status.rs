//! Lives here: what a server says of its regions and threads (`GET /v1/status`), as a client reads
//! it.
//! Not here: what becomes of it over a run (`timeline`).
//!
//! Invariant: what a server does not say is absent, never made up: older ones have no supervisor.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The longest answer that is taken, in bytes: 4,096 regions need about two million.
const MAX_BYTES: usize = 16 << 20;

/// What the server answers: its hosts.
#[derive(Debug, Deserialize)]
struct Answer {
    hosts: Vec<Status>,
    supervisor: Option<Supervisor>,
}

/// A host at one moment; or all of them, taken together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// The process: another one has another name.
    pub(crate) host: Option<String>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) regions: Vec<Region>,
    pub(crate) supervisor: Option<Supervisor>,
}

impl From<Answer> for Status {
    fn from(answer: Answer) -> Self {
        let mut all = Self {
            supervisor: answer.supervisor,
            ..Self::default()
        };
        for host in answer.hosts {
            all.host = all.host.or(host.host);
            all.workers.extend(host.workers);
            all.regions.extend(host.regions);
            all.supervisor = all.supervisor.or(host.supervisor);
        }
        all
    }
}

/// A thread that runs regions.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Worker {
    /// Busy time per second, smoothed, 0..1.
    pub(crate) load: f64,
    /// The same in the newest second alone, if the server tells.
    pub(crate) fresh: Option<f64>,
}

/// A region. The names are those of the server's answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    pub(crate) id: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) worker: u64,
    pub(crate) pinned: bool,
    pub(crate) queue: u64,
    pub(crate) ticks: u64,
    pub(crate) late: u64,
    pub(crate) lateness_ms: Option<f64>,
    pub(crate) dilation: Option<f64>,
}

/// What the supervisor did last.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Supervisor {
    pub(crate) mode: String,
    #[serde(default)]
    pub(crate) changes: Vec<Change>,
}

/// A change of the partition or the placement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    pub(crate) number: u64,
    pub(crate) at_ms: f64,
    /// `move`, `split` or `merge`.
    #[serde(rename = "change")]
    pub(crate) kind: String,
    pub(crate) cause: String,
    pub(crate) regions: Vec<u64>,
    pub(crate) became: Vec<u64>,
    pub(crate) from_worker: Option<u64>,
    pub(crate) to_worker: Option<u64>,
    pub(crate) gain: Option<f64>,
    pub(crate) reason: String,
    pub(crate) state: String,
    pub(crate) pause_ms: Option<f64>,
}

impl Worker {
    #[cfg(test)]
    pub(crate) fn busy(load: f64) -> Self {
        Self { load, fresh: None }
    }
}

impl Region {
    #[cfg(test)]
    pub(crate) fn bare(id: u64, from: u64, to: u64) -> Self {
        Self {
            id,
            from,
            to,
            ..Self::default()
        }
    }
}

/// Asks a server how it is.
#[derive(Debug)]
pub(crate) struct Asker {
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
}

impl Asker {
    /// Asks the server behind this WebSocket address.
    pub(crate) fn new(socket_url: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: beside_socket(socket_url, "/v1/status"),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no answer in time, or one that can't be understood.
    pub(crate) async fn ask(&self) -> anyhow::Result<Status> {
        let answer = async {
            let answer = self.client.get(self.url.parse()?).await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
            let body = body.map_err(anyhow::Error::from_boxed)?;
            let answer: Answer = serde_json::from_slice(&body.to_bytes())?;
            Ok(Status::from(answer))
        };
        let status = timeout(LIMIT, answer).await.context("no answer in time");
        status.flatten().with_context(|| self.url.clone())
    }
}

/// `ws://host:port/v1/ws` is `http://host:port/v1/status` to those who ask. TLS is not spoken here:
/// a run over `wss://` has no timeline.
pub(crate) fn beside_socket(socket_url: &str, what: &str) -> String {
    let url = socket_url.replacen("ws", "http", 1);
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let path = url[authority..]
        .find('/')
        .map_or(url.len(), |at| authority + at);
    format!("{}{what}", &url[..path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_beside_the_socket() {
        for url in ["ws://127.0.0.1:7777/v1/ws", "ws://127.0.0.1:7777"] {
            assert_eq!(
                beside_socket(url, "/v1/status"),
                "http://127.0.0.1:7777/v1/status"
            );
        }
    }

    #[test]
    fn a_server_without_a_supervisor_is_understood_and_one_with_it_too() {
        let status = |json: &str| Status::from(serde_json::from_str::<Answer>(json).unwrap());
        let old = status(
            r#"{"hosts": [{"host": "x", "workers": [{"worker": 0, "load": 0.5}], "regions":
            [{"id": 3, "from": 0, "to": 9, "worker": 0, "load": 0.1, "ticks": 7, "late": 1}]}]}"#,
        );
        assert_eq!((old.regions[0].ticks, old.regions[0].late), (7, 1));
        assert!(old.supervisor.is_none() && old.regions[0].lateness_ms.is_none());
        let new = status(
            r#"{"hosts": [{"supervisor": {"mode": "on", "changes": [{"number": 4, "at_ms": 1.5e12,
            "change": "split", "cause": "region_hot", "regions": [3], "became": [3, 9],
            "from_worker": null, "to_worker": null, "gain": 0.25, "reason": "hot",
            "state": "kept", "pause_ms": 3.5}]}}]}"#,
        );
        let change = &new.supervisor.unwrap().changes[0];
        assert_eq!((change.became.len(), change.pause_ms), (2, Some(3.5)));
    }
}
