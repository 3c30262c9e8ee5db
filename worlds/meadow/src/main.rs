//! The binary of the meadow: `meadow serve`, `meadow load`. Lives here: what its command line
//! offers. Not here: the rules and the page (the library of this package).

use std::process::ExitCode;

use brightstar::{App, clap};
use meadow::{Meadow, PAGE};

/// Genesis is one task, which makes all of them.
const MOST_SHEEP: i64 = 1_000_000;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Sheep to make when the store is new
    #[arg(long, value_name = "N", default_value_t = Meadow::default().sheep, value_parser = clap::value_parser!(u32).range(..=MOST_SHEEP))]
    sheep: u32,
    /// More of them, tied to posts in Aldermere: a fair, where a crowd costs the server most
    #[arg(long, value_name = "N", default_value_t = Meadow::default().fair, value_parser = clap::value_parser!(u32).range(..=MOST_SHEEP))]
    fair: u32,
}

#[derive(Debug, clap::Subcommand)]
enum Tools {
    /// Lets bots wander in a running meadow, and reports how it went
    Load(load::MeadowArgs),
}

fn main() -> ExitCode {
    let world = |flags: &Flags| Meadow {
        sheep: flags.sheep,
        fair: flags.fair,
        ..Meadow::default()
    };
    App::new(world)
        .commands(|Tools::Load(args)| args.run())
        .page(PAGE)
        .about("A meadow to walk in: coins to gather, gold to give, sheep to chase")
        .run()
}
