//! Lives here: the flags of `meadow load` and `ledger load`.
//! Not here: what they do (`run`, `meadow`, `ledger`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use brightstar_client::Codec;
use clap::{Args, ValueEnum};

use crate::scenario::{PatternName, Scenario};
use crate::{ledger, meadow, run};

/// The flags of every load.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// How long to measure, once all bots are there: `90`, `90s`, `5m`
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Over how long a time the bots arrive
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub ramp: Duration,
    /// Seeds the bots: the same seed, the same wishes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Fails when the 99th percentile of the commands' latency is above this
    #[arg(long, value_name = "MILLISECONDS")]
    pub p99_ms: Option<f64>,
    /// Fails when there are more errors
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_errors: u64,
    /// Fails when a larger share of all regions' ticks was late: `0.01` is one in a hundred
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub max_late: Option<f64>,
    /// Fails when a thread is busy beside idle ones for longer, or never: then nothing was shown
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub max_rebalance: Option<Duration>,
    /// Fails when a region stands still for longer because it is moved, split or merged
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub max_pause: Option<Duration>,
    /// Writes the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Writes the report as a page with plots to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Draws another run's lines beside this one's: its report as JSON
    #[arg(long, value_name = "FILE", requires = "html")]
    pub compare: Option<PathBuf>,
    /// How messages are written: `msgpack` or `json`
    #[arg(long, default_value_t = Codec::MessagePack)]
    pub codec: Codec,
    /// Bots log in as guests of this name and a number
    #[arg(long, value_name = "NAME", default_value = "bot")]
    pub names: String,
    /// What becomes of sessions when the server dies during the run and is started again
    #[arg(long, value_name = "WHAT", default_value = "none")]
    pub restarts: Restarts,
    /// Orders a random move, split or merge of regions so often
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "admin_token_file")]
    pub storm: Option<Duration>,
    /// File with the operator's token, by which the storm's orders are given
    #[arg(long, value_name = "FILE", requires = "storm")]
    pub admin_token_file: Option<PathBuf>,
}

/// What is expected of a server that dies and is started again while bots play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Restarts {
    /// It does not die: a lost socket is an error
    None,
    /// Its sessions may be over: bots log in anew, and do not judge what they can't know
    End,
    /// Its sessions go on: a bot that can't resume is a violation
    Resume,
}

/// The flags of `meadow load`: bots play a pattern, or a scenario of several.
#[derive(Debug, Clone, Args)]
pub struct MeadowArgs {
    /// The server's address
    #[arg(long, default_value = "ws://127.0.0.1:7777/v1/ws")]
    pub url: String,
    /// How many bots
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MAX_BOTS))]
    pub bots: u32,
    /// What they do
    #[arg(
        long,
        value_name = "NAME",
        default_value = "wander",
        conflicts_with = "scenario"
    )]
    pub pattern: PatternName,
    /// What they do, as a mix of patterns from a TOML file
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Fails when bots walked over fewer borders between regions
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_crossings: u64,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "its doc comment would be taken for the command's help"
    )]
    pub common: Common,
}

/// The flags of `ledger load`: bots transfer amounts between accounts.
#[derive(Debug, Clone, Args)]
pub struct LedgerArgs {
    /// The server's address
    #[arg(long, default_value = "ws://127.0.0.1:7778/v1/ws")]
    pub url: String,
    /// How many bots
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=MAX_BOTS))]
    pub bots: u32,
    /// Transfers under way at any moment, over all bots
    #[arg(long, value_name = "N", default_value_t = 160, value_parser = clap::value_parser!(u32).range(1..))]
    pub in_flight: u32,
    /// Skew of the accounts: 0 is uniform, 1.5 lets a few take part in most transfers (Zipf)
    #[arg(long, default_value_t = 0.0, value_parser = parse_alpha)]
    pub alpha: f64,
    /// How many accounts the ledger has
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2..))]
    pub accounts: u64,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "its doc comment would be taken for the command's help"
    )]
    pub common: Common,
}

/// The most bots of one process: each needs a socket.
pub(crate) const MAX_BOTS: i64 = 60_000;
/// The steepest skew: above, nearly every transfer is between the same two accounts.
const MAX_ALPHA: f64 = 10.0;

impl MeadowArgs {
    /// Runs the load and prints its report; success if nothing was wrong.
    pub fn run(self) -> ExitCode {
        let scenario = match &self.scenario {
            Some(path) => Scenario::read(path, self.bots),
            None => Scenario::of(self.pattern, self.bots),
        };
        let scenario = match scenario {
            Ok(scenario) => scenario,
            Err(error) => return run::refuse(&format!("{error:#}")),
        };
        let plan = run::Plan {
            url: self.url,
            bots: scenario.bots(),
            common: self.common,
        };
        run::run(&plan, meadow::Mix::new(scenario, self.min_crossings))
    }
}

impl LedgerArgs {
    /// Runs the load and prints its report; success if nothing was wrong.
    pub fn run(self) -> ExitCode {
        let pattern = ledger::Transfers::new(self.bots, self.in_flight, self.alpha, self.accounts);
        let plan = run::Plan {
            url: self.url,
            bots: self.bots,
            common: self.common,
        };
        match pattern {
            Ok(pattern) => run::run(&plan, pattern),
            Err(words) => run::refuse(&words),
        }
    }
}

/// Reads `90`, `90s`, `250ms`, `5m`, `1h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} does not begin with a number"))?;
    let seconds = match unit.trim() {
        "" | "s" => number,
        "ms" => number / 1000.0,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        other => return Err(format!("unit {other:?} is unknown; use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("must be from 0 to 1".to_owned())
    }
}

fn parse_alpha(text: &str) -> Result<f64, String> {
    let alpha: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..=MAX_ALPHA).contains(&alpha) {
        Ok(alpha)
    } else {
        Err(format!("must be from 0 to {MAX_ALPHA}"))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Meadow {
        #[command(flatten)]
        args: MeadowArgs,
    }
    #[derive(Debug, Parser)]
    struct Ledger {
        #[command(flatten)]
        args: LedgerArgs,
    }

    #[test]
    fn flags_are_sound_and_have_the_defaults_of_the_worlds() {
        Meadow::command().debug_assert();
        Ledger::command().debug_assert();
        let meadow = Meadow::parse_from(["load"]).args;
        assert_eq!(meadow.url, "ws://127.0.0.1:7777/v1/ws");
        assert_eq!(
            (meadow.common.max_errors, meadow.common.codec),
            (0, Codec::MessagePack)
        );
        let ledger = Ledger::parse_from(["load", "--alpha", "1.5", "--codec", "json"]).args;
        assert_eq!(ledger.url, "ws://127.0.0.1:7778/v1/ws");
        assert_eq!((ledger.in_flight, ledger.accounts), (160, 100_000));
        assert_eq!(ledger.common.codec, Codec::Json);
        Ledger::try_parse_from(["load", "--alpha", "NaN"]).unwrap_err();
        for wrong in [
            &["--bots", "0"][..],
            &["--pattern", "dance"],
            &["--pattern", "star", "--scenario", "x.toml"],
            &["--max-late", "1.5"],
            &["--compare", "other.json"],
        ] {
            let words = ["load"].iter().chain(wrong);
            Meadow::try_parse_from(words).unwrap_err();
        }
        let star = Meadow::parse_from(["load", "--pattern", "star", "--max-late", "0.01"]).args;
        assert_eq!(
            (star.pattern, star.common.max_late),
            (PatternName::Star, Some(0.01))
        );
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("1.5s", 1500),
            ("250ms", 250),
            ("2m", 120_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["", "s", "5 weeks", "-1s", "1e400"] {
            parse_duration(text).unwrap_err();
        }
    }
}
