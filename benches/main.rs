//! Benches: each case of ours runs by turns with its floor, and the ratio of the two is printed.
//! Lives here: the list of areas and the command line. Not here: any case.
//!
//! `cargo bench -p brightstar --bench world -- [--quick] [PART OF A CASE'S NAME ...]`
//!
//! A floor is the least that any program would have to do for the same result on the same
//! machine; where it leaves out something that ours does, its comment says so. Figures of two
//! runs are not compared, ratios are.
#![expect(clippy::print_stdout, reason = "a bench's result is what it prints")]

mod channel;
mod client;
mod echo;
mod epoch;
mod frame;
mod harness;
mod job;
mod memory;
mod players;
mod sample;
mod task;
mod tick;

use anyhow::Result;

use crate::harness::Plan;

fn main() -> Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // The other side of `client/...` and `players/...`: this program again, as a server in a process of its own.
    let first: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
    match first[..] {
        ["child-echo", ..] => return echo::serve(),
        ["child-ledger", ..] => return client::serve(),
        ["child-hall", ..] => return channel::serve(),
        ["child-plaza", players] => return players::serve(players),
        ["child-floor", frames] => return players::serve_floor(frames),
        _ => {}
    }
    // Cargo says `--bench` for `cargo bench` and nothing for `cargo test`, where small is enough.
    let quick = words.iter().any(|word| word == "--quick") || !words.iter().any(|w| w == "--bench");
    words.retain(|word| !word.starts_with("--"));
    let plan = Plan {
        quick,
        wanted: words,
    };
    println!("{}", harness::machine()?);
    task::run(&plan)?;
    epoch::run(&plan)?;
    tick::run(&plan)?;
    job::run(&plan)?;
    frame::run(&plan)?;
    client::run(&plan)?;
    memory::run(&plan)?;
    channel::run(&plan)?;
    players::run(&plan)
}
