//! Lives here: `App`: what a world's `main` says, and what its binary does with its command line.
//! Not here: flags and configuration (`cli`, `config`), and the running server (`server`).
//!
//! Invariant: whatever goes wrong at the start ends in one clear line and an exit code: 2 when the
//! command line or the configuration is wrong, 1 for everything else.

use std::fmt;
use std::future::pending;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use world_data::World;

use crate::cli::{Cli, Command, Serve};
use crate::config::{self, Config, ConfigError};
use crate::login::mint::Mint;
use crate::page::Asset;
use crate::server::{self, Running, StartError};
use crate::tools::{self, ToolError};
use crate::{log, reload, tcp};

/// The exit code when the command line or the configuration is wrong.
const USAGE: u8 = 2;

/// Serves a world: everything that its binary does. The shortest `main`:
///
/// ```no_run
/// # use brightstar::world_data::{World, Task, Stop, Caller, Kinds, Map, Entity, ObjectId};
/// # struct Meadow;
/// # impl World for Meadow {
/// #     const NAME: &'static str = "meadow";
/// #     type Command = (); type Reply = (); type Input = (); type Job = (); type View = ();
/// #     fn map(&self) -> Map { Map::square(512.0) }
/// #     fn kinds(&self) -> Kinds { Kinds::new() }
/// #     fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> { Ok(()) }
/// #     fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> { Ok(None) }
/// #     fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> { Ok(()) }
/// #     fn command(&self, _: &mut Task<'_>, _: &Caller, _: &()) -> Result<(), Stop> { Ok(()) }
/// #     fn input(&self, _: &mut Task<'_>, _: &Caller, _: &()) -> Result<(), Stop> { Ok(()) }
/// #     fn view(&self, _: Entity<'_>) -> Option<()> { None }
/// # }
/// fn main() -> std::process::ExitCode {
///     brightstar::run(Meadow)
/// }
/// ```
pub fn run<W: World>(world: W) -> ExitCode {
    App::new(|_: &NoArgs| world).run()
}

/// A world's binary: its world, page, defaults, flags and subcommands.
///
/// `A` are the world's own flags of `serve`, `C` its own subcommands; both are inferred from the
/// functions that take them.
///
/// ```no_run
/// # use brightstar::world_data::{World, Task, Stop, Caller, Kinds, Map, Entity, ObjectId};
/// # struct Ledger(u64);
/// # impl World for Ledger {
/// #     const NAME: &'static str = "ledger";
/// #     type Command = (); type Reply = (); type Input = (); type Job = (); type View = ();
/// #     fn map(&self) -> Map { Map::shards_only(64) }
/// #     fn kinds(&self) -> Kinds { Kinds::new() }
/// #     fn genesis(&self, _: &mut Task<'_>) -> Result<(), Stop> { Ok(()) }
/// #     fn login(&self, _: &mut Task<'_>, _: &Caller) -> Result<Option<ObjectId>, Stop> { Ok(None) }
/// #     fn logout(&self, _: &mut Task<'_>, _: &Caller) -> Result<(), Stop> { Ok(()) }
/// #     fn command(&self, _: &mut Task<'_>, _: &Caller, _: &()) -> Result<(), Stop> { Ok(()) }
/// #     fn input(&self, _: &mut Task<'_>, _: &Caller, _: &()) -> Result<(), Stop> { Ok(()) }
/// #     fn view(&self, _: Entity<'_>) -> Option<()> { None }
/// # }
/// use std::process::ExitCode;
///
/// use brightstar::{App, clap};
///
/// #[derive(Debug, clap::Args)]
/// struct Flags {
///     /// Accounts to make when the store is new
///     #[arg(long, default_value_t = 100_000)]
///     accounts: u64,
/// }
///
/// #[derive(Debug, clap::Subcommand)]
/// enum Tools {
///     /// Lets bots transfer money
///     Load {
///         #[arg(long, default_value_t = 10)]
///         bots: u32,
///     },
/// }
///
/// fn main() -> ExitCode {
///     App::new(|flags: &Flags| Ledger(flags.accounts))
///         .defaults(|config| {
///             config.server.listen = "127.0.0.1:7778".to_owned();
///             config.server.data = "./data/ledger".to_owned();
///         })
///         .commands(|Tools::Load { bots }| ExitCode::from(u8::from(bots == 0)))
///         .run()
/// }
/// ```
pub struct App<W, A = NoArgs, C = NoCommands> {
    world: Box<dyn FnOnce(&A) -> W>,
    commands: Box<dyn FnOnce(C) -> ExitCode>,
    page: &'static [Asset],
    defaults: Config,
    about: &'static str,
}

impl<W, A, C> fmt::Debug for App<W, A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

/// No flags of the world's own.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct NoArgs {
    #[arg(skip)]
    nothing: PhantomData<()>,
}

/// No subcommands of the world's own.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum NoCommands {}

impl<W: World, A: Args + 'static> App<W, A> {
    /// An app for the world that `world` makes from the world's own flags of `serve`.
    pub fn new(world: impl FnOnce(&A) -> W + 'static) -> Self {
        let mut defaults = Config::default();
        defaults.server.data = format!("./data/{}", W::NAME);
        Self {
            world: Box::new(world),
            commands: Box::new(|none: NoCommands| match none {}),
            page: &[],
            defaults,
            about: "",
        }
    }

    /// Adds subcommands beside `serve`: an enum, and what runs them.
    #[must_use]
    pub fn commands<C: Subcommand + 'static>(
        self,
        run: impl FnOnce(C) -> ExitCode + 'static,
    ) -> App<W, A, C> {
        let Self {
            world,
            page,
            defaults,
            about,
            ..
        } = self;
        App {
            world,
            commands: Box::new(run),
            page,
            defaults,
            about,
        }
    }
}

impl<W: World, A: Args + 'static, C: Subcommand + 'static> App<W, A, C> {
    /// Serves these files: the world's page.
    #[must_use]
    pub fn page(mut self, page: &'static [Asset]) -> Self {
        self.page = page;
        self
    }

    /// Changes the defaults of the configuration for this world.
    #[must_use]
    pub fn defaults(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.defaults);
        self
    }

    /// Says what the binary is, in its `--help`.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Does what the command line says, and gives the process's exit code.
    pub fn run(self) -> ExitCode {
        match parse::<A, C>(W::NAME, self.about, std::env::args_os().collect()) {
            Ok(Command::Other(command)) => (self.commands)(command),
            Ok(Command::Token(flags)) => match token(&flags, W::NAME) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(W::NAME, &error),
            },
            Ok(Command::Serve(flags)) => match serve(self, &flags) {
                Ok(code) => code,
                Err(error) => fail(W::NAME, &error),
            },
            Ok(Command::Dead(flags)) => {
                ended::<W>(tools::dead::run(&flags, self.world, self.defaults))
            }
            Ok(Command::Backup(flags)) => ended::<W>(tools::backup::run(&flags, self.world)),
            Ok(Command::Check(flags)) => {
                ended::<W>(tools::check::run(&flags, self.world, self.defaults))
            }
            Ok(Command::Export(flags)) => ended::<W>(flags.run(self.world, self.defaults)),
            Ok(Command::Import(flags)) => ended::<W>(flags.run(self.world, self.defaults)),
            Ok(Command::Inspect(flags)) => {
                ended::<W>(tools::inspect::run(&flags, self.world, self.defaults))
            }
            Err(error) => {
                let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
                match error.print() {
                    Ok(()) => ExitCode::from(code),
                    Err(_) => ExitCode::FAILURE,
                }
            }
        }
    }
}

/// Reads the command line. No subcommand means `serve` with its defaults.
fn parse<A: Args, C: Subcommand>(
    name: &'static str,
    about: &'static str,
    args: Vec<std::ffi::OsString>,
) -> Result<Command<A, C>, clap::Error> {
    let command = Cli::<A, C>::command()
        .name(name)
        .bin_name(name)
        .about(about);
    let read = |args| {
        let mut matches = command.clone().try_get_matches_from(args)?;
        Cli::<A, C>::from_arg_matches_mut(&mut matches)
    };
    match read(args)?.command {
        Some(command) => Ok(command),
        None => read(vec![name.into(), "serve".into()])?
            .command
            .ok_or_else(|| {
                clap::Error::new(clap::error::ErrorKind::MissingSubcommand).with_cmd(&command)
            }),
    }
}

/// What ends a `serve` before its time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("signals can't be waited for: {0}")]
    Signals(io::Error),
    #[error("can't write to standard output: {0}")]
    Output(io::Error),
    #[error("{0}")]
    Token(String),
    #[error(transparent)]
    Stop(#[from] server::StopError),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Start(StartError::Config(error))
    }
}

/// The exit code of a tool; why it failed is told.
fn ended<W: World>(done: Result<ExitCode, ToolError>) -> ExitCode {
    done.unwrap_or_else(|error| fail(W::NAME, &Failure::Tool(error)))
}

fn fail(world: &str, error: &Failure) -> ExitCode {
    // The log may be off or JSON; a person who starts a server gets one plain line in any case. If
    // even standard error is gone, the exit code has to do.
    writeln!(io::stderr(), "{world}: {error}").unwrap_or_default();
    match error {
        Failure::Start(StartError::Config(_)) | Failure::Tool(ToolError::Config(_)) => {
            ExitCode::from(USAGE)
        }
        _ => ExitCode::FAILURE,
    }
}

fn token(flags: &Mint, world: &str) -> Result<(), Failure> {
    let token = flags.token(world).map_err(Failure::Token)?;
    say(&format!("{token}\n"))
}

fn serve<W: World, A: Args, C>(app: App<W, A, C>, flags: &Serve<A>) -> Result<ExitCode, Failure> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = flags.config(app.defaults, variables)?;
    if flags.print_config {
        return say(&config::print(&config)).map(|()| ExitCode::SUCCESS);
    }
    log::start(&config.log)?;
    log::hook_panics();
    tcp::allow_sockets(config.gateway.max_sockets);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Signals)?;
    // Before the world is opened: a signal during a long recovery is kept and obeyed after it.
    let mut signals = runtime
        .block_on(async { Signals::new(reload::is_asked_for(&config)) })
        .map_err(Failure::Signals)?;
    let running = server::start((app.world)(&flags.world), &config, app.page)?;
    let scheme = if config.tls.certificate.is_empty() {
        "http"
    } else {
        "https"
    };
    let (world, address) = (W::NAME, running.address());
    say(&format!("{world} is at {scheme}://{address}/\n"))?;
    runtime.block_on(until_stopped(running, &mut signals))
}

/// Waits for a signal, then for the graceful stop; a second signal ends it at once. SIGHUP reads keys
/// and secrets again.
async fn until_stopped(mut running: Running, signals: &mut Signals) -> Result<ExitCode, Failure> {
    loop {
        tokio::select! {
            said = signals.next() => match said {
                Said::Stop(name) => {
                    tracing::info!(signal = name, "stopping; once more to stop at once");
                    break;
                }
                Said::Reload => {
                    tracing::info!(signal = "SIGHUP", "reading keys and secrets again");
                    running.reload();
                }
            },
            () = running.ended() => break,
        }
    }
    running.begin_stop();
    tokio::select! {
        name = signals.stop() => {
            tracing::warn!(signal = name, "stopped at once; the journal has what was acknowledged");
            // Its threads end with the process: waiting for them is what was refused.
            std::mem::forget(running);
            Ok(ExitCode::FAILURE)
        }
        () = running.ended() => {
            running.stop()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn say(words: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(words.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// What a signal says.
enum Said {
    /// Stop. The signal's name, for the log.
    Stop(&'static str),
    /// Read keys and secrets again.
    Reload,
}

/// The signals that a server obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// `reloads`: SIGHUP has a use. Otherwise it does what it does to others: a server that was
    /// started from a terminal ends with it.
    fn new(reloads: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: reloads.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    /// The next signal.
    async fn next(&mut self) -> Said {
        let reload = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Said::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Said::Stop("SIGINT"),
            _ = reload => Said::Reload,
        }
    }

    /// The next signal that stops the server.
    async fn stop(&mut self) -> &'static str {
        loop {
            if let Said::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command<NoArgs, NoCommands>, clap::Error> {
        let args = ["field"].iter().chain(args).map(Into::into).collect();
        parse("field", "a field", args)
    }

    #[test]
    fn no_subcommand_serves_with_the_defaults_of_the_world() {
        let Ok(Command::Serve(flags)) = parsed(&[]) else {
            panic!("not served")
        };
        let config = flags.config(Config::default(), Vec::new()).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn help_is_no_error_and_an_unknown_subcommand_is() {
        let help = parsed(&["--help"]).unwrap_err();
        assert_eq!(help.exit_code(), 0);
        assert!(help.to_string().contains("a field"), "{help}");
        let unknown = parsed(&["fly"]).unwrap_err();
        assert_eq!(unknown.exit_code(), i32::from(USAGE));
    }
}
