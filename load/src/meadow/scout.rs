//! Lives here: finding names whose players appear near a place, so that a crowd can be there within
//! seconds: nobody walks faster than 6 m/s, but anybody may log in.
//! Not here: what the crowd does then (`roles/crowd`).

use anyhow::Context as _;
use brightstar_client::Connection;
use tokio::task::JoinSet;

use super::{Command, Meadow};
use crate::land::{Place, distance};
use crate::run::{Plan, bar, login, must_ask};

/// How far from the place is near, in metres: a walk of five seconds.
const NEAR: f64 = 30.0;
/// Names asked after at once.
const AT_ONCE: u32 = 16;
/// Names asked after for each that is needed: one in five new players appears in each village.
const TRIES_EACH: u32 = 12;
/// And so many in any case.
const TRIES: u32 = 60;

/// Finds names of players near a place. When there are too few of them, those who are least far
/// away make up for the rest.
pub(super) async fn find(
    plan: &Plan,
    part: usize,
    place: Place,
    count: u32,
) -> anyhow::Result<Vec<String>> {
    let bar = bar(u64::from(count), "{msg:>9} [{bar:40}] {pos}/{len}");
    bar.set_message("scouting");
    let (mut asked, mut next) = (JoinSet::new(), 0);
    let (mut found, mut near) = (Vec::new(), 0);
    let most = count * TRIES_EACH + TRIES;
    loop {
        while near < count && next < most && (asked.len() as u32) < AT_ONCE {
            let name = format!("{}-part{part}-{next}", plan.common.names);
            asked.spawn_local(where_is(plan.clone(), name, place));
            next += 1;
        }
        let Some(answer) = asked.join_next().await else {
            break;
        };
        let (name, away) = answer.context("scouting")??;
        if away <= NEAR {
            near += 1;
            bar.inc(1);
        }
        found.push((away, name));
    }
    bar.finish_and_clear();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(found
        .into_iter()
        .take(count as usize)
        .map(|(_, name)| name)
        .collect())
}

/// How far from the place the player of this name is. Its body stays there.
async fn where_is(plan: Plan, name: String, place: Place) -> anyhow::Result<(String, f64)> {
    let mut visit: Connection<Meadow> = login(&plan, name.clone(), None).await?;
    let me = must_ask(&mut visit, &Command::Me).await?;
    let at = me.at.context("a player who is nowhere")?;
    visit.bye().await?;
    Ok((name, distance(at, place)))
}
