//! Lives here: `inspect`: the command line of looking into a folder.
//! Not here: what is shown (`world-data`).

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use world_data::World;
use world_data::inspect::{LookError, Which, objects, sizes};

use super::{Folder, ToolError};
use crate::config::Config;

/// Looks into a folder.
#[derive(Debug, Args)]
pub(crate) struct Inspect<A: Args> {
    #[command(flatten)]
    folder: Folder<A>,
    /// Objects of this kind: its name or number
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Objects in this home
    #[arg(long, value_name = "HOME")]
    home: Option<u64>,
    /// The object with this id
    #[arg(long, value_name = "ID")]
    id: Option<u64>,
    /// How much room each kind and each table takes, instead of objects
    #[arg(long, conflicts_with_all = ["kind", "home", "id"])]
    sizes: bool,
}

/// Shows what was asked for: 0, or 1 when an object was asked for that is not there.
///
/// # Errors
/// When the folder can't be looked at.
pub(crate) fn run<W: World, A: Args>(
    flags: &Inspect<A>,
    world: impl FnOnce(&A) -> W,
    defaults: Config,
) -> Result<ExitCode, ToolError> {
    flags.folder.options(defaults)?;
    let (dir, world) = (&flags.folder.dir, world(&flags.folder.world));
    let mut out = BufWriter::new(io::stdout().lock());
    if flags.sizes {
        for size in sizes(dir, &world)? {
            serde_json::to_writer(&mut out, &size).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let which = Which {
        kind: flags.kind.clone(),
        home: flags.home,
        id: flags.id,
    };
    let shown = objects(dir, &world, &which, &mut out)?;
    out.flush()?;
    match flags.id {
        Some(id) if shown == 0 => Err(ToolError::Failed(format!("there is no such object {id}"))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

impl From<LookError> for ToolError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Output(error) => Self::Output(error),
            other => Self::Failed(other.to_string()),
        }
    }
}
