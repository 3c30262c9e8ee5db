//! Lives here: what the engine holds, read by a task, in the model's own form.
//! Not here: the comparison of what a program saw (`simulation`, `agreement`).

use std::collections::BTreeSet;

use world_data::{ObjectId, Point, Stop, Task, Worker};

use crate::draw::DIRECTORIES;
use crate::ground::{self, BANK, MAP, Note, Thing, WALKERS, bank, must, walker_name};
use crate::model::{Item, Model};
use crate::programs::{FLEETING, Kept};

/// Keys that may be in use above the first fleeting one.
const FLEETING_KEYS: u64 = 32;

/// Genesis' walkers, in their order.
pub(crate) fn walkers(worker: &mut Worker) -> Vec<ObjectId> {
    must(worker, |task| {
        let walker = |number| task.lookup(&walker_name(number));
        (0..WALKERS)
            .map(walker)
            .map(|id| id?.ok_or(Stop::refused("a walker has no name")))
            .collect()
    })
}

/// Reads everything that the engine holds: of objects, those `known` and all that are found.
///
/// # Errors
/// Says which entity stands at two places, or is found by one way and not by another.
pub(crate) fn snapshot(worker: &mut Worker, known: &[ObjectId]) -> Result<Model, String> {
    let everywhere = Point::new(MAP.metres() / 2.0, MAP.metres() / 2.0);
    let (model, seen) = must(worker, |task| {
        let mut seen = Vec::new();
        task.nearby(everywhere, MAP.metres(), |entity| {
            seen.push((entity.id(), entity.at()));
        })?;
        let mut ids: BTreeSet<ObjectId> = known.iter().copied().collect();
        ids.extend(seen.iter().map(|(id, _)| *id));
        let keys = (0..BANK).chain(FLEETING..FLEETING + FLEETING_KEYS);
        ids.extend(keys.map(|key| bank(key).id()));
        Ok((read(task, ids)?, seen))
    });
    no_entity_twice(&model, &seen)?;
    Ok(model)
}

fn read(task: &mut Task<'_>, ids: BTreeSet<ObjectId>) -> Result<Model, Stop> {
    let mut model = Model::default();
    for id in ids {
        // An object that is gone may have left some.
        let jobs = task.jobs(id)?.into_iter();
        model.jobs.extend(jobs.map(|job| (job.id, (job, 0))));
        let value = match task.find_kind::<Thing>(id)? {
            Some(thing) => Some(Thing::clone(&thing).wrap()),
            None => task
                .find_kind::<Note>(id)?
                .map(|note| Note::clone(&note).wrap()),
        };
        let Some(value) = value else { continue };
        let at = if id.is_entity() {
            Some(task.position(id)?)
        } else {
            None
        };
        model.objects.insert(id, Item { value, at });
    }
    for directory in DIRECTORIES {
        model.names.extend(task.names(directory, None, usize::MAX)?);
    }
    Ok(model)
}

/// Looking at every cell finds each entity once, where it says it is.
fn no_entity_twice(model: &Model, seen: &[(ObjectId, Point)]) -> Result<(), String> {
    let mut once = BTreeSet::new();
    for (id, at) in seen {
        if !once.insert(id) {
            return Err(format!("{id:?} stands in two cells"));
        }
        if model
            .objects
            .get(id)
            .is_none_or(|item| item.at != Some(*at))
        {
            return Err(format!(
                "{id:?} is seen at {at:?} and found as {:?}",
                model.objects.get(id)
            ));
        }
    }
    let unseen = model
        .objects
        .iter()
        .find(|(id, item)| item.at.is_some() && !once.contains(id));
    unseen.map_or(Ok(()), |(id, item)| {
        Err(format!("{id:?} is in no cell: {item:?}"))
    })
}

/// The first difference between two worlds, in words; `legs` says whether it matters where things
/// with legs are.
pub(crate) fn difference(expected: &Model, found: &Model, legs: bool) -> Option<String> {
    let mask = |item: &Item| {
        let mut item = item.clone();
        if !legs && item.has_legs() {
            item.at = None;
            ground::mask(&mut item.value);
        }
        item
    };
    let ids: BTreeSet<_> = expected
        .objects
        .keys()
        .chain(found.objects.keys())
        .collect();
    for id in ids {
        let (a, b) = (
            expected.objects.get(id).map(mask),
            found.objects.get(id).map(mask),
        );
        if a != b {
            return Some(format!("{id:?} should be {a:?} and is {b:?}"));
        }
    }
    if expected.names != found.names {
        return Some(format!(
            "names should be {:?} and are {:?}",
            expected.names, found.names
        ));
    }
    // What a job is to do is seen only when it has its turn.
    let jobs = |model: &Model| model.jobs.values().map(|(job, _)| *job).collect::<Vec<_>>();
    if jobs(expected) != jobs(found) {
        return Some(format!(
            "jobs should be {:?} and are {:?}",
            jobs(expected),
            jobs(found)
        ));
    }
    None
}
