//! The binary of the meadow: `meadow serve`, `meadow load`. Lives here: what its command line
//! offers. Not here: the rules and the page (the library of this package).

use std::process::ExitCode;

use brightstar::{App, NoArgs, clap};
use meadow::{Meadow, PAGE};

#[derive(Debug, clap::Subcommand)]
enum Tools {
    /// Lets bots wander in a running meadow, and reports how it went
    Load(load::MeadowArgs),
}

fn main() -> ExitCode {
    App::new(|_: &NoArgs| Meadow::default())
        .commands(|Tools::Load(args)| args.run())
        .page(PAGE)
        .about("A meadow to walk in: coins to gather, gold to give, sheep to chase")
        .run()
}
