//! The binary of the ledger: `ledger serve`, `ledger load`. Lives here: what its command line
//! offers. Not here: the rules (the library of this package).

use std::process::ExitCode;

use brightstar::{App, clap};
use ledger::{Ledger, MAX_ACCOUNTS};

#[derive(Debug, clap::Args)]
struct Flags {
    /// Accounts to make when the store is new
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(..=MAX_ACCOUNTS))]
    accounts: u64,
    /// What is on each account when the store is new
    #[arg(long, default_value_t = 1_000_000_000, value_parser = clap::value_parser!(i64).range(0..))]
    balance: i64,
}

#[derive(Debug, clap::Subcommand)]
enum Tools {
    /// Lets bots transfer money in a running ledger, and reports how it went
    Load(load::LedgerArgs),
}

fn main() -> ExitCode {
    App::new(|flags: &Flags| Ledger {
        accounts: flags.accounts,
        balance: flags.balance,
    })
    .commands(|Tools::Load(args)| args.run())
    .defaults(|config| {
        "127.0.0.1:7778".clone_into(&mut config.server.listen);
        // `total` reads every account in one task: 100,000 in 30 ms, as many as there may be in
        // ten times that, on a machine that has other things to do in three times that.
        config.engine.task_budget_ms = 1_000;
    })
    .about("Accounts and lists: the world that proofs and benchmarks use")
    .run()
}
