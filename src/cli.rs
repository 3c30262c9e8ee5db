//! Lives here: the command line: its subcommands and flags, and how `serve`'s flags become the last
//! layer of the configuration.
//! Not here: what is done then (`app`).

use std::path::PathBuf;

use actors::SupervisorMode;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use world_data::Durability;

use crate::config::{self, Config, ConfigError, LogFormat, LoginMode};
use crate::login::mint::Mint;
use crate::tools::backup::Backup;
use crate::tools::check::Check;
use crate::tools::dead::Dead;
use crate::tools::export::{Export, Import};
use crate::tools::inspect::Inspect;

/// The whole command line of a world's binary. `A`: the world's own flags of `serve`; `C`: its own
/// subcommands.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli<A: Args, C: Subcommand> {
    /// What to do; serving is the default.
    #[command(subcommand)]
    pub(crate) command: Option<Command<A, C>>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command<A: Args, C: Subcommand> {
    /// Serves the world until SIGTERM or Ctrl-C.
    Serve(Serve<A>),
    /// Lists, shows, replays and drops dead letters: tasks that were given up.
    Dead(Dead<A>),
    /// Copies the data in a folder, while a server serves it or not
    Backup(Backup<A>),
    /// Checks the data in a folder, without changing it, and says what is wrong
    Check(Check<A>),
    /// Shows the objects in a folder as JSON, or how much room each kind takes
    Inspect(Inspect<A>),
    /// Writes the world in a folder as JSON lines to standard output
    Export(Export<A>),
    /// Makes a folder of the JSON lines of an export, from standard input
    Import(Import<A>),
    /// Signs a token to log in with, for trying `login.mode = "jwt"` out
    Token(Mint),
    #[command(flatten)]
    Other(C),
}

/// The flags of `serve`: the strongest layer of the configuration.
#[derive(Debug, Args)]
pub(crate) struct Serve<A: Args> {
    /// Folder of the world's data [config: server.data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Address and port to listen on [config: server.listen]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When effects leave: on disk first, or at once [config: engine.durability]
    #[arg(long, value_name = "WHEN", value_parser = durability())]
    durability: Option<Durability>,
    /// Regions to cut a new world into [config: engine.regions]
    #[arg(long, value_name = "N")]
    regions: Option<usize>,
    /// Threads that run regions, 0: one per core [config: regions.workers]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Whether regions are moved, split and merged as their load asks [config: supervisor.mode]
    #[arg(long, value_name = "MODE", value_parser = supervisor())]
    supervisor: Option<SupervisorMode>,
    /// How clients say who they are [config: login.mode]
    #[arg(long, value_name = "MODE")]
    login: Option<LoginMode>,
    /// Allow guest login on an address that others can reach
    #[arg(long)]
    insecure_guest: bool,
    /// Form of log lines [config: log.format]
    #[arg(long, value_name = "FORM")]
    log_format: Option<LogFormat>,
    /// Print the effective configuration as TOML and end
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(flatten)]
    pub(crate) world: A,
}

fn durability() -> impl TypedValueParser<Value = Durability> {
    PossibleValuesParser::new(["strict", "relaxed"]).map(|name| match name.as_str() {
        "relaxed" => Durability::Relaxed,
        _ => Durability::Strict,
    })
}

fn supervisor() -> impl TypedValueParser<Value = SupervisorMode> {
    PossibleValuesParser::new(["on", "observe", "off"]).map(|name| match name.as_str() {
        "off" => SupervisorMode::Off,
        "observe" => SupervisorMode::Observe,
        _ => SupervisorMode::On,
    })
}

impl<A: Args> Serve<A> {
    /// The effective configuration: `defaults`, then the file, the environment, these flags.
    ///
    /// # Errors
    /// Names the first wrong key or value, and where it comes from.
    pub(crate) fn config(
        &self,
        defaults: Config,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut config = defaults;
        if let Some(file) = &self.config {
            config = config::file(&config, file)?;
        }
        config = config::environment(&config, environment)?;
        put(&mut config.server.data, self.data.as_ref());
        put(&mut config.server.listen, self.listen.as_ref());
        put(&mut config.engine.durability, self.durability.as_ref());
        put(&mut config.engine.regions, self.regions.as_ref());
        put(&mut config.regions.workers, self.workers.as_ref());
        put(&mut config.supervisor.mode, self.supervisor.as_ref());
        put(&mut config.login.mode, self.login.as_ref());
        put(&mut config.log.format, self.log_format.as_ref());
        config.server.insecure_guest |= self.insecure_guest;
        config.check()?;
        Ok(config)
    }
}

fn put<T: Clone>(value: &mut T, flag: Option<&T>) {
    if let Some(flag) = flag {
        value.clone_from(flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{NoArgs, NoCommands};

    fn serve(args: &[&str]) -> Result<Serve<NoArgs>, String> {
        let args = ["world", "serve"].iter().chain(args);
        match Cli::<NoArgs, NoCommands>::try_parse_from(args)
            .map_err(|e| e.to_string())?
            .command
        {
            Some(Command::Serve(serve)) => Ok(serve),
            other => panic!("{other:?}"),
        }
    }

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn strength_grows_from_defaults_over_file_and_environment_to_flags() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("brightstar.toml");
        std::fs::write(
            &file,
            "[engine]\nregions = 2\nseed = 2\n[regions]\nworkers = 2\n",
        )
        .unwrap();
        let file = file.to_str().unwrap();
        let mut defaults = Config::default();
        (defaults.engine.regions, defaults.regions.workers) = (1, 1);
        (defaults.engine.seed, defaults.regions.tick_hz) = (1, 11);
        let env = [
            ("BRIGHTSTAR_REGIONS__WORKERS", "3"),
            ("BRIGHTSTAR_ENGINE__REGIONS", "3"),
        ];
        let flags = serve(&["--config", file, "--regions", "4"]).unwrap();
        let config = flags.config(defaults, environment(&env)).unwrap();
        assert_eq!(config.regions.tick_hz, 11, "a default");
        assert_eq!(config.engine.seed, 2, "the file over a default");
        assert_eq!(config.regions.workers, 3, "the environment over the file");
        assert_eq!(config.engine.regions, 4, "a flag over the environment");
    }

    #[test]
    fn every_flag_of_the_contract_arrives() {
        let flags = serve(&[
            "--data",
            "/d",
            "--listen",
            "0.0.0.0:1",
            "--durability",
            "relaxed",
            "--regions",
            "5",
            "--workers",
            "6",
            "--supervisor",
            "observe",
            "--login",
            "guest",
            "--insecure-guest",
            "--log-format",
            "json",
        ])
        .unwrap();
        let config = flags.config(Config::default(), Vec::new()).unwrap();
        assert_eq!(
            (config.server.data.as_str(), config.server.listen.as_str()),
            ("/d", "0.0.0.0:1")
        );
        assert_eq!(config.engine.durability, Durability::Relaxed);
        assert_eq!((config.engine.regions, config.regions.workers), (5, 6));
        assert_eq!(config.supervisor.mode, SupervisorMode::Observe);
        assert!(config.server.insecure_guest && config.log.format == LogFormat::Json);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let config = |flags: &[&str]| serve(flags).unwrap().config(Config::default(), Vec::new());
        let wrong = |flags: &[&str]| config(flags).unwrap_err().to_string();
        assert!(wrong(&["--regions", "0"]).contains("engine.regions = 0: allowed are 1 to 4096"));
        assert!(wrong(&["--listen", "0.0.0.0:7777"]).contains("--insecure-guest"));
        assert!(wrong(&["--listen", "7777"]).contains("server.listen = \"7777\""));
        assert!(wrong(&["--config", "/no/such.toml"]).contains("/no/such.toml: No such file"));
        for (flag, words) in [
            ("--durability", "strict, relaxed"),
            ("--supervisor", "on, observe, off"),
        ] {
            assert!(serve(&[flag, "never"]).unwrap_err().contains(words));
        }
    }
}
