//! Lives here: the page's tables: verdicts, changes of regions, commands.

use std::fmt::Write as _;

use super::escape;
use super::story::Story;

/// Changes that are listed; of more, the page says how many.
const MAX_CHANGES: usize = 300;

/// Writes what had to hold, and whether it did.
pub(super) fn verdicts(page: &mut String, run: &Story, other: Option<&Story>) -> std::fmt::Result {
    page.push_str("<section><h2>Verdicts</h2><div class=\"wide\"><table><thead><tr><th></th><th>What had to hold</th><th>What was seen</th>");
    if other.is_some() {
        page.push_str("<th>Other run</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for check in &run.checks {
        let detail = escape(&check.detail);
        let (mark, name) = (mark(check.passed), escape(&check.name));
        write!(
            page,
            "<tr>{mark}<td>{name}</td><td class=\"detail\">{detail}</td>"
        )?;
        if let Some(other) = other {
            let theirs = other.checks.iter().find(|theirs| theirs.name == check.name);
            let detail = theirs.map_or("", |theirs| theirs.detail.lines().next().unwrap_or(""));
            let class = if theirs.is_some_and(|theirs| !theirs.passed) {
                "detail wrong"
            } else {
                "detail"
            };
            write!(page, "<td class=\"{class}\">{}</td>", escape(detail))?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>");
    for (cause, fault) in &run.errors {
        let (count, first) = (fault.count, escape(&fault.first));
        write!(
            page,
            "<p class=\"note\">{count} × <b>{}</b>, the first: {first}</p>",
            escape(cause)
        )?;
    }
    page.push_str("</section>\n");
    Ok(())
}

fn mark(passed: bool) -> &'static str {
    if passed {
        "<td class=\"good\">holds</td>"
    } else {
        "<td class=\"bad\">broken</td>"
    }
}

/// Writes what was changed, and why.
pub(super) fn changes(page: &mut String, run: &Story) -> std::fmt::Result {
    let Some(mode) = &run.timeline.supervisor else {
        return Ok(());
    };
    let all = &run.timeline.changes;
    write!(
        page,
        "<section><h2>Changes of regions</h2><p class=\"note\">Supervisor: {}; {} in this run.",
        escape(mode),
        all.len()
    )?;
    if all.len() > MAX_CHANGES {
        write!(page, " The first {MAX_CHANGES} are listed.")?;
    }
    page.push_str("</p>");
    if all.is_empty() {
        page.push_str("</section>\n");
        return Ok(());
    }
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th class=\"number\">at</th><th>what</th><th>regions</th>\
         <th>threads</th><th>cause</th><th>reason</th><th class=\"number\">gain</th>\
         <th class=\"number\">pause</th><th>state</th></tr></thead><tbody>\n",
    );
    for dated in all.iter().take(MAX_CHANGES) {
        let change = &dated.change;
        let kind = escape(&change.kind);
        writeln!(
            page,
            "<tr><td class=\"number\">{:.1} s</td><td><span class=\"kind {kind}\">{kind}</span></td>\
             <td>{}</td><td>{}</td><td>{}</td><td class=\"detail\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            dated.at,
            arrow(&list(&change.regions), &list(&change.became)),
            arrow(&one(change.from_worker), &one(change.to_worker)),
            escape(&change.cause.replace('_', " ")),
            escape(&change.reason),
            change
                .gain
                .map_or_else(String::new, |gain| format!("{:.0} %", gain * 100.0)),
            change
                .pause_ms
                .map_or_else(String::new, |pause| format!("{pause:.1} ms")),
            escape(&change.state)
        )?;
    }
    page.push_str("</tbody></table></div></section>\n");
    Ok(())
}

fn list(ids: &[u64]) -> String {
    let ids: Vec<_> = ids.iter().map(u64::to_string).collect();
    ids.join(", ")
}

fn one(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn arrow(from: &str, to: &str) -> String {
    if from == to || to.is_empty() {
        return from.to_owned();
    }
    format!("{from} → {to}")
}

/// Writes what was asked, and what came of it.
pub(super) fn commands(page: &mut String, run: &Story) -> std::fmt::Result {
    let latency = &run.commands.latency_ms;
    page.push_str("<section><h2>Commands</h2>");
    write!(
        page,
        "<p class=\"note\">Latency: p50 {:.2}, p90 {:.2}, p99 {:.2}, longest {:.2} ms; counted {}.</p>",
        latency.p50,
        latency.p90,
        latency.p99,
        latency.max,
        escape(&run.commands.latency_counted)
    )?;
    page.push_str(
        "<div class=\"wide\"><table class=\"small\"><thead><tr><th>command</th><th class=\"number\">sent</th>\
         <th class=\"number\">ok</th><th class=\"number\">refused</th><th class=\"number\">failed</th>\
         </tr></thead><tbody>\n",
    );
    for (kind, counts) in &run.commands.by_kind {
        write!(page, "<tr><td>{}</td>", escape(kind))?;
        for count in counts {
            write!(page, "<td class=\"number\">{count}</td>")?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>");
    let refusals = run.commands.refusals.iter();
    let words: Vec<_> = refusals
        .map(|(word, count)| format!("{count} × {word}"))
        .collect();
    if !words.is_empty() {
        write!(
            page,
            "<p class=\"note\">Refused: {}.</p>",
            escape(&words.join(", "))
        )?;
    }
    page.push_str("</section>\n");
    Ok(())
}
