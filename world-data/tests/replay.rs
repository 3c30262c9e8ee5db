//! Lives here: what the deeds of a diary mean: run again on the model, as acts on lists, and by the
//! regions that they touched. Not here: what must be true of that (`properties`).

use std::collections::{BTreeMap, BTreeSet};

use world_data::{Fault, ObjectId, Partition, Point};

use crate::agreement::made;
use crate::diary::Deed;
use crate::ground::{BANK, MAP, Thing, WALKERS, bank};
use crate::history::Act;
use crate::model::Model;
use crate::programs::{Either, Saw};

/// A thing that nobody removes: of the bank, or a walker.
pub(crate) fn steady(id: ObjectId, value: &Either) -> Option<&Thing> {
    match value {
        Either::Thing(thing) => {
            let is_bank = (0..BANK).any(|key| bank(key).id() == id);
            let is_walker = id.is_entity() && thing.marks.first() == Some(&0);
            (is_bank || is_walker).then_some(thing)
        }
        Either::Note(_) => None,
    }
}

/// What a task did to the lists of steady things.
pub(crate) fn acts(deed: &Deed, lists: &BTreeMap<ObjectId, Vec<u32>>) -> Vec<Act<ObjectId>> {
    let mut appended = BTreeSet::new();
    let mut acts = Vec::new();
    for saw in &deed.saw {
        match saw {
            Saw::Added(id) if deed.commits() && lists.contains_key(id) && appended.insert(*id) => {
                acts.push(Act::Append(*id, deed.mark()));
            }
            Saw::Thing(id, Some(thing)) if lists.contains_key(id) => {
                let mut marks = thing.marks.clone();
                if !deed.commits() && marks.last() == Some(&deed.mark()) {
                    marks.pop();
                }
                acts.push(Act::Read(*id, marks));
            }
            _ => {}
        }
    }
    acts
}

/// Runs deeds again, one after the other, on the model: they must be answered the same.
pub(crate) fn replay<'a>(
    before: &Model,
    deeds: impl Iterator<Item = &'a Deed>,
) -> Result<Model, String> {
    let mut model = before.clone();
    for deed in deeds {
        let stopped = deed.fault == Some(Fault::Timeout);
        if stopped || (deed.store_failed && deed.fault == Some(Fault::Failed)) {
            if let Some((this, seed)) = deed.given.this.filter(|_| stopped) {
                model.pass_turn(this, deed.now, seed)?;
            }
            continue;
        }
        let made = made(&deed.saw);
        let (saw, commits) = model.execute(&deed.program, &deed.given, deed.now, made)?;
        let saw: Vec<_> = saw.into_iter().map(|saw| without_legs(deed, saw)).collect();
        let was: Vec<_> = deed
            .saw
            .iter()
            .map(|saw| without_legs(deed, saw.clone()))
            .collect();
        if saw != was || commits != deed.commits() {
            return Err(format!(
                "{deed:?}\nshould have seen {saw:?}, commits: {commits}"
            ));
        }
    }
    Ok(model)
}

/// An answer, but for where the tick has taken something.
pub(crate) fn without_legs(deed: &Deed, saw: Saw) -> Saw {
    // Genesis made the walkers first, and gave legs to every other one.
    let mut with_legs = deed
        .given
        .known
        .iter()
        .take(WALKERS as usize)
        .skip(1)
        .step_by(2);
    match saw {
        Saw::Thing(id, Some(thing)) if thing.legs.is_some() => Saw::Thing(
            id,
            Some(Thing {
                legs: None,
                steps: 0,
                ..thing
            }),
        ),
        Saw::At(id, _) if with_legs.any(|with| *with == id) => Saw::At(id, Point::default()),
        other => other,
    }
}

/// The regions that a task surely touched, by where its objects are in `model`.
pub(crate) fn regions_of(deed: &Deed, model: &Model, partition: &Partition) -> BTreeSet<usize> {
    let cell = |id: ObjectId| {
        let item = model.objects.get(&id).filter(|item| !item.has_legs())?;
        item.at.map(|at| MAP.cell_at(at))
    };
    let home = |id: ObjectId| id.fixed_home(&MAP).or_else(|| cell(id));
    deed.ids()
        .filter_map(home)
        .map(|home| partition.index(home))
        .collect()
}
