//! Lives here: `backup`: the command line of backups, of a folder or through a running server.
//! Not here: making one (`world-data`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use world_data::World;
use world_data::backup::backup;

use super::remote::Remote;
use super::{ToolError, say};
use crate::admin::Backup as Order;

/// Makes a backup.
#[derive(Debug, Args)]
pub(crate) struct Backup<A: Args> {
    /// Folder of the data, whether a server has it open or not; left out with --server
    #[arg(value_name = "DIR")]
    first: PathBuf,
    /// Folder to make: the backup. With --server its name in the server's folder for backups
    #[arg(
        value_name = "TARGET",
        required_unless_present = "server",
        conflicts_with = "server"
    )]
    second: Option<PathBuf>,
    /// A running server to make it, at `http://ADDRESS:PORT`
    #[arg(long, value_name = "URL", requires = "token_file")]
    server: Option<String>,
    /// File with that server's operator's token
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    world: A,
}

/// Makes the backup and says what is in it.
///
/// # Errors
/// When there is none.
pub(crate) fn run<W: World, A: Args>(
    flags: &Backup<A>,
    world: impl FnOnce(&A) -> W,
) -> Result<ExitCode, ToolError> {
    match (&flags.server, &flags.token_file, &flags.second) {
        (Some(url), Some(token), _) => by_server(url, token, &flags.first),
        (_, _, Some(target)) => of_folder(&flags.first, &world(&flags.world), target),
        _ => Err(ToolError::Failed("no folder for the backup".to_owned())),
    }
}

fn by_server(url: &str, token: &Path, name: &Path) -> Result<ExitCode, ToolError> {
    let name = name.to_string_lossy().into_owned();
    let made = Remote::new(url, token)?.post("backup", &Order { name })?;
    say(&format!(
        "{}: the world up to epoch {}, {} bytes\n",
        made["folder"].as_str().unwrap_or("?"),
        made["epoch"],
        made["bytes"]
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn of_folder<W: World>(dir: &Path, world: &W, target: &Path) -> Result<ExitCode, ToolError> {
    let made = backup(dir, world, target).map_err(|error| ToolError::Failed(error.to_string()))?;
    let how = if made.beside {
        "beside a running server, as of its last checkpoint: epoch"
    } else {
        "with its journal; the store is at epoch"
    };
    let (target, epoch, bytes) = (target.display(), made.epoch, made.bytes);
    say(&format!(
        "{target}: the world {how} {epoch}, {bytes} bytes\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}
