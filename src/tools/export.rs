//! Lives here: `export` and `import`: a folder as JSON lines on standard output, and from standard
//! input a folder.
//! Not here: the lines (`world-data`).

use std::io::{self, BufReader, BufWriter};
use std::process::ExitCode;

use clap::Args;
use world_data::World;
use world_data::export::{ExportError, export, import};

use super::{Folder, ToolError, say};
use crate::config::Config;

/// Writes a folder as JSON lines.
#[derive(Debug, Args)]
pub(crate) struct Export<A: Args> {
    #[command(flatten)]
    folder: Folder<A>,
}

/// Makes a folder of JSON lines.
#[derive(Debug, Args)]
pub(crate) struct Import<A: Args> {
    #[command(flatten)]
    folder: Folder<A>,
}

impl<A: Args> Export<A> {
    /// Writes the folder to standard output.
    ///
    /// # Errors
    /// When not all of it could be written.
    pub(crate) fn run<W: World>(
        &self,
        world: impl FnOnce(&A) -> W,
        defaults: Config,
    ) -> Result<ExitCode, ToolError> {
        let options = self.folder.options(defaults)?;
        let (dir, world) = (&self.folder.dir, world(&self.folder.world));
        let mut out = BufWriter::new(io::stdout().lock());
        export(dir, &world, options.events_kept, &mut out)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl<A: Args> Import<A> {
    /// Makes the folder of what standard input says.
    ///
    /// # Errors
    /// When there is no world in it then.
    pub(crate) fn run<W: World>(
        &self,
        world: impl FnOnce(&A) -> W,
        defaults: Config,
    ) -> Result<ExitCode, ToolError> {
        let options = self.folder.options(defaults)?;
        let (dir, world) = (&self.folder.dir, world(&self.folder.world));
        let mut lines = BufReader::new(io::stdin().lock());
        let count = import(dir, &world, options.store_bytes, &mut lines)?;
        say(&format!("{}: the world of {count} lines\n", dir.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl From<ExportError> for ToolError {
    fn from(error: ExportError) -> Self {
        Self::Failed(error.to_string())
    }
}
