//! Lives here: what was done to the server on purpose: how often it was started anew, and what came
//! of a storm of orders.
//! Not here: what it did by itself (`tables`).

use std::fmt::Write as _;

use super::escape;
use super::story::{Gap, Storm, Story};

/// What may come of an order, in the words of the report.
const OUTCOMES: [&str; 6] = ["asked", "done", "refused", "failed", "stuck", "unanswered"];

/// Writes both, where there is any.
pub(super) fn write(page: &mut String, run: &Story) -> std::fmt::Result {
    if !run.timeline.outages.is_empty() || run.timeline.restarts > 0 {
        restarts(page, run.timeline.restarts, &run.timeline.outages)?;
    }
    run.storm.as_ref().map_or(Ok(()), |told| storm(page, told))
}

fn restarts(page: &mut String, restarts: u32, outages: &[Gap]) -> std::fmt::Result {
    writeln!(
        page,
        "<section><h2>Restarts of the server</h2><p class=\"note\">It was seen to be another process \
         {restarts} times. Times of commands and frames around these are shown second by second, and \
         not counted in the percentiles.</p><div class=\"wide\"><table class=\"small\"><thead><tr>\
         <th class=\"number\">at</th><th class=\"number\">everybody back after</th>\
         <th class=\"number\">sockets lost</th><th class=\"number\">sessions resumed</th>\
         <th class=\"number\">sessions over</th></tr></thead><tbody>"
    )?;
    for gap in outages {
        writeln!(
            page,
            "<tr><td class=\"number\">{:.1} s</td><td class=\"number\">{:.1} s</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            gap.from,
            gap.until - gap.from,
            gap.lost,
            gap.resumed,
            gap.ended
        )?;
    }
    page.push_str("</tbody></table></div></section>\n");
    Ok(())
}

fn storm(page: &mut String, storm: &Storm) -> std::fmt::Result {
    write!(
        page,
        "<section><h2>The storm of orders</h2><p class=\"note\">Regions paused for up to {:.1} ms; {} \
         paused longer than a tick. {} orders were left out.</p><div class=\"wide\">\
         <table class=\"small\"><thead><tr><th>order</th>",
        storm.longest_pause_ms, storm.long_pauses, storm.left_out
    )?;
    for outcome in OUTCOMES {
        write!(page, "<th class=\"number\">{outcome}</th>")?;
    }
    page.push_str("</tr></thead><tbody>\n");
    for (kind, counts) in &storm.by_kind {
        write!(page, "<tr><td>{}</td>", escape(kind))?;
        for outcome in OUTCOMES {
            let count = counts.get(outcome).copied().unwrap_or_default();
            write!(page, "<td class=\"number\">{count}</td>")?;
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>");
    let refusals = storm.refusals.iter();
    let words: Vec<_> = refusals.map(|(word, n)| format!("{n} × {word}")).collect();
    if !words.is_empty() {
        let words = escape(&words.join("; "));
        write!(page, "<p class=\"note\">Refused: {words}.</p>")?;
    }
    page.push_str("</section>\n");
    Ok(())
}
