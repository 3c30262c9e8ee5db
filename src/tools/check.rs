//! Lives here: `check`: the command line of checking a folder, and how a person is told.
//! Not here: what is checked (`world-data`).

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use world_data::World;
use world_data::check::{Checked, Finding, MAX_FINDINGS, check};

use super::{Folder, ToolError, say};
use crate::config::Config;

/// Checks a folder.
#[derive(Debug, Args)]
pub(crate) struct Check<A: Args> {
    #[command(flatten)]
    folder: Folder<A>,
    /// Counts objects that nothing leads to as wrong, too
    #[arg(long)]
    strict: bool,
    /// As JSON, a finding on each line, and a line of numbers at the end
    #[arg(long)]
    json: bool,
}

/// Checks the folder: 0 when nothing is wrong, 1 when something is.
///
/// # Errors
/// When the folder can't be looked at.
pub(crate) fn run<W: World, A: Args>(
    flags: &Check<A>,
    world: impl FnOnce(&A) -> W,
    defaults: Config,
) -> Result<ExitCode, ToolError> {
    let options = flags.folder.options(defaults)?;
    let world = world(&flags.folder.world);
    let checked = check(&flags.folder.dir, &world, options.events_kept)
        .map_err(|error| ToolError::Failed(error.to_string()))?;
    let words = if flags.json {
        lines(&checked)?
    } else {
        told(&checked)
    };
    say(&words)?;
    let wrong = checked.is_wrong() || flags.strict && checked.found[2] > 0;
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn lines(checked: &Checked) -> Result<String, ToolError> {
    let mut out = String::new();
    for finding in &checked.findings {
        let line = serde_json::to_string(finding);
        out += &line.map_err(|error| ToolError::Failed(error.to_string()))?;
        out.push('\n');
    }
    let [damage, dangling, unreachable] = checked.found;
    let end = json!({
        "damage": damage, "dangling": dangling, "unreachable": unreachable,
        "world_id": checked.world_id, "epoch": checked.epoch, "in_journal": checked.in_journal, "counts": checked.counts,
    });
    Ok(format!("{out}{end}\n"))
}

fn told(checked: &Checked) -> String {
    let mut lines: Vec<_> = checked.findings.iter().map(line).collect();
    let total: u64 = checked.found.iter().sum();
    if total > MAX_FINDINGS as u64 {
        lines.push(format!("and {} more", total - MAX_FINDINGS as u64));
    }
    let counts = &checked.counts;
    lines.push(format!(
        "checked up to epoch {}, {} of them in the journal only: {} objects ({} entities) with {} \
         references, {} names, {} sessions ({} outcomes, {} events), {} channels ({} messages), {} \
         jobs, {} dead letters",
        checked.epoch,
        checked.in_journal,
        counts.objects,
        counts.entities,
        counts.references,
        counts.names,
        counts.sessions,
        counts.outcomes,
        counts.events,
        counts.channels,
        counts.said,
        counts.jobs,
        counts.letters,
    ));
    let [damage, dangling, unreachable] = checked.found;
    lines.push(if total == 0 {
        "nothing is wrong".to_owned()
    } else {
        format!("damage: {damage}, dangling: {dangling}, unreachable: {unreachable}")
    });
    lines.join("\n") + "\n"
}

fn line(finding: &Finding) -> String {
    // A name may hold anything; a line stays a line.
    let what = finding.what.replace(char::is_control, " ");
    let place = finding.place.replace(char::is_control, " ");
    format!("{:<11}  {place}: {what}", finding.matter)
}

#[cfg(test)]
mod tests {
    use world_data::check::Matter;

    use super::*;

    #[test]
    fn a_finding_is_a_line_and_the_end_sums_up() {
        assert!(told(&Checked::default()).ends_with("\nnothing is wrong\n"));
        let finding = Finding {
            matter: Matter::Dangling,
            place: "object 7".to_owned(),
            what: "leads to\n8".to_owned(),
        };
        let checked = Checked {
            found: [0, 10_004, 0],
            findings: vec![finding],
            ..Checked::default()
        };
        let told = told(&checked);
        let all: Vec<_> = told.lines().collect();
        assert_eq!(
            all[..2],
            ["dangling     object 7: leads to 8", "and 4 more"]
        );
        assert_eq!(all[3], "damage: 0, dangling: 10004, unreachable: 0");
        let json = lines(&checked).unwrap();
        let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        let what = json!({ "matter": "dangling", "place": "object 7", "what": "leads to\n8" });
        assert_eq!(first, what);
    }
}
