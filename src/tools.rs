//! Lives here: what a world's binary can do besides serving: the operator's commands, on the folder
//! of a stopped server or through `/admin` of a running one.
//! Not here: what they do to the data (`world-data`), and `/admin` itself (`admin`).
//!
//! Invariant: a command that fails ends in one line on standard error and an exit code that is not
//! 0; what it found goes to standard output.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod dead;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod letters;
mod remote;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use world_data::{Engine, NoClients, Options, World};

use crate::config::{self, Config, ConfigError};
use crate::server::wall_ms;
use remote::Remote;

/// Why a command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It can't be done, or was refused: the words say why.
    #[error("{0}")]
    Failed(String),
    /// Standard output is gone.
    #[error("can't write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Where the data is: in a folder, or behind a running server.
#[derive(Debug, Args)]
pub(crate) struct Place<A: Args> {
    /// Folder of a stopped server's data [config: server.data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<String>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// A running server instead, at `http://ADDRESS:PORT`
    #[arg(
        long,
        value_name = "URL",
        requires = "token_file",
        conflicts_with = "data",
        global = true
    )]
    server: Option<String>,
    /// File with that server's operator's token
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    world: A,
}

/// A folder that is looked at as it lies there.
#[derive(Debug, Args)]
pub(crate) struct Folder<A: Args> {
    /// Folder of a stopped server's data, or a backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    world: A,
}

impl<A: Args> Folder<A> {
    /// The engine's numbers: `defaults`, the file, the environment.
    fn options(&self, defaults: Config) -> Result<Options, ToolError> {
        let config = layers(defaults, self.config.as_deref())?;
        config.check()?;
        Ok(config.engine_options(wall_ms()))
    }
}

/// `defaults`, then a file, then the environment.
fn layers(defaults: Config, file: Option<&Path>) -> Result<Config, ToolError> {
    let mut config = defaults;
    if let Some(file) = file {
        config = config::file(&config, file)?;
    }
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(config::environment(&config, variables)?)
}

/// Where a command does its work.
enum Target<W: World> {
    /// A folder that nobody else has open.
    Folder(Engine, W),
    /// A running server.
    Server(Remote),
}

impl<A: Args> Place<A> {
    /// The server that was named, if one was.
    fn remote(&self) -> Result<Option<Remote>, ToolError> {
        match (&self.server, &self.token_file) {
            (Some(url), Some(token)) => Remote::new(url, token).map(Some),
            _ => Ok(None),
        }
    }

    /// The effective configuration: `defaults`, the file, the environment, the flags.
    fn config(&self, defaults: Config) -> Result<Config, ToolError> {
        let mut config = layers(defaults, self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.server.data.clone_from(data);
        }
        config.check()?;
        Ok(config)
    }

    /// Opens what was named. A folder is recovered first, as at any start.
    fn open<W: World>(
        &self,
        world: impl FnOnce(&A) -> W,
        defaults: Config,
    ) -> Result<Target<W>, ToolError> {
        if let Some(remote) = self.remote()? {
            return Ok(Target::Server(remote));
        }
        let config = self.config(defaults)?;
        let (folder, world) = (Path::new(&config.server.data), world(&self.world));
        if !Engine::is_made(folder) {
            let words = format!("there is no world in {}: see --data", folder.display());
            return Err(ToolError::Failed(words));
        }
        let options = config.engine_options(wall_ms());
        let engine = Engine::open(folder, &world, options, Arc::new(NoClients));
        let engine = engine.map_err(|error| ToolError::Failed(error.to_string()))?;
        Ok(Target::Folder(engine, world))
    }
}

/// Says something on standard output.
fn say(words: &str) -> Result<(), ToolError> {
    let mut out = io::stdout().lock();
    out.write_all(words.as_bytes())?;
    out.flush()?;
    Ok(())
}
