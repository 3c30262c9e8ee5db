//! Lives here: `dead`: the command line of dead letters, and how a person is told of them.
//! Not here: asking and answering (`letters`).

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;
use world_data::World;

use super::letters::{Drop, List, Question, Replay, Show};
use super::{Place, Target, ToolError, say};
use crate::config::Config;

/// Characters of a cause in a list.
const CAUSE_SHOWN: usize = 60;

/// Dead letters: tasks that were given up.
#[derive(Debug, Args)]
pub(crate) struct Dead<A: Args> {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: Place<A>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists them, the newest first
    List {
        /// Only those below this number
        #[arg(long, value_name = "N")]
        before: Option<u64>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one as JSON, with what was asked
    Show {
        /// Its number
        #[arg(value_name = "N")]
        number: u64,
    },
    /// Runs again, once, what one asks for; its letter goes in the same commit
    Replay {
        /// Its number
        #[arg(value_name = "N")]
        number: u64,
    },
    /// Drops one, or all
    Drop {
        /// Its number, or "all"
        #[arg(value_name = "N|all", value_parser = which)]
        which: Drop,
    },
}

fn which(text: &str) -> Result<Drop, String> {
    match text {
        "all" => Ok(Drop::All(true)),
        number => number
            .parse()
            .map(Drop::Number)
            .map_err(|_| "a number, or all".to_owned()),
    }
}

/// Does what the command line says: 0 when it did, 1 when a replay failed again.
///
/// # Errors
/// When it could not be done.
pub(crate) fn run<W: World, A: Args>(
    flags: &Dead<A>,
    world: impl FnOnce(&A) -> W,
    defaults: Config,
) -> Result<ExitCode, ToolError> {
    let target = flags.place.open(world, defaults)?;
    let done = match &flags.what {
        What::List {
            before,
            limit,
            json,
        } => {
            let list = List {
                before: *before,
                limit: Some(*limit),
            };
            target.ask(&list).and_then(|answer| {
                let words = if *json {
                    pretty(&answer)
                } else {
                    table(&answer)
                };
                say(&words).map(|()| ExitCode::SUCCESS)
            })
        }
        What::Show { number } => target
            .ask(&Show { number: *number })
            .and_then(|answer| say(&pretty(&answer)).map(|()| ExitCode::SUCCESS)),
        What::Replay { number } => target
            .ask(&Replay { number: *number })
            .and_then(|answer| replayed(*number, &answer)),
        What::Drop { which } => target.ask(which).and_then(|answer| {
            say(&format!("dropped: {}\n", answer["dropped"])).map(|()| ExitCode::SUCCESS)
        }),
    };
    target.close();
    done
}

impl<W: World> Target<W> {
    /// Asks the folder or the server.
    fn ask<Q: Question>(&self, question: &Q) -> Result<Value, ToolError> {
        match self {
            Self::Folder(engine, world) => question
                .answer(engine, world)
                .map_err(|error| ToolError::Failed(error.to_string())),
            Self::Server(server) => server.post(Q::PATH, question),
        }
    }

    fn close(&self) {
        if let Self::Folder(engine, _) = self {
            engine.close();
        }
    }
}

fn replayed(number: u64, answer: &Value) -> Result<ExitCode, ToolError> {
    if answer["outcome"] == "done" {
        say(&format!("replayed; it replied {}\n", answer["reply"]))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (fault, cause) = (text(&answer["fault"]), text(&answer["cause"]));
    Err(ToolError::Failed(format!(
        "letter {number} stays: it ended as {fault} again: {cause}"
    )))
}

fn table(answer: &Value) -> String {
    let none = Vec::new();
    let letters = answer["letters"].as_array().unwrap_or(&none);
    if letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let mut out = String::from("number  kind      tries  fault    from              cause\n");
    for letter in letters {
        let mut cause: String = text(&letter["cause"]).chars().take(CAUSE_SHOWN).collect();
        cause.retain(|c| !c.is_control());
        let from = text(&letter["caller"]["name"]);
        let line = writeln!(
            out,
            "{:<7} {:<9} {:<6} {:<8} {from:<17} {cause}",
            letter["number"].to_string(),
            text(&letter["kind"]),
            letter["tries"].to_string(),
            text(&letter["fault"]),
        );
        line.unwrap_or_default();
    }
    if answer["more"] == true {
        let last = &letters[letters.len() - 1]["number"];
        writeln!(out, "there are more: --before {last}").unwrap_or_default();
    }
    out
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_with_one_line_per_letter() {
        let letter = |number: u64, cause: &str| {
            json!({
                "number": number, "kind": "command", "tries": 2, "fault": "failed",
                "caller": { "name": "ann" }, "cause": cause
            })
        };
        let long = "x".repeat(100);
        let letters = [letter(12, "panic: a\nb\u{1b}[31m"), letter(7, &long)];
        let told = table(&json!({ "letters": letters, "more": true }));
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            lines[1],
            "12      command   2      failed   ann               panic: ab[31m"
        );
        assert!(lines[2].ends_with(&"x".repeat(CAUSE_SHOWN)) && !lines[2].contains(&long));
        assert_eq!(lines[3], "there are more: --before 7");
        assert_eq!(table(&json!({ "letters": [] })), "no dead letters\n");
    }

    #[test]
    fn all_or_a_number_can_be_dropped() {
        assert!(matches!(which("all"), Ok(Drop::All(true))));
        assert!(matches!(which("7"), Ok(Drop::Number(7))));
        assert_eq!(which("-1").unwrap_err(), "a number, or all");
    }
}
