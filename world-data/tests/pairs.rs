//! Tasks over two regions are counted by pair, for whoever decides which regions share a thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use world_data::{Engine, NoClients, Options, Point, RegionId, Scene, Stop, Worker};

use crate::ground::{Ground, MAP, bank, must, options, run};

/// More regions than a task may hold and still be counted by pair.
const MANY: usize = 12;

fn engine(regions: usize) -> (Engine, Vec<RegionId>) {
    let options = Options {
        regions,
        ..options()
    };
    let engine = Engine::in_memory(&Ground, options, Arc::new(NoClients)).unwrap();
    let ids: Vec<_> = engine.regions().list.iter().map(|(id, _)| *id).collect();
    // Regions are counted from the moment they are observed.
    let mut worker = engine.worker();
    assert!(taken(&mut worker, &ids).is_empty());
    (engine, ids)
}

fn take(scene: &mut Scene<'_>) -> impl IntoIterator<Item = (RegionId, u64)> + use<> {
    scene.take_tasks_with()
}

/// What all regions tell, by pair, whichever of the two tells it.
fn taken(worker: &mut Worker, ids: &[RegionId]) -> BTreeMap<(RegionId, RegionId), u64> {
    let mut pairs = BTreeMap::new();
    for id in ids {
        let with = worker.observe(*id, take).unwrap();
        for (other, count) in with {
            *pairs
                .entry(((*id).min(other), (*id).max(other)))
                .or_default() += count;
        }
    }
    pairs
}

/// A place in each region that has cells.
fn place_in(engine: &Engine, id: RegionId) -> Point {
    let regions = engine.regions();
    let (_, interval) = *regions.list.iter().find(|(known, _)| *known == id).unwrap();
    let middle = |n: u32| (f64::from(n) + 0.5) * MAP.cell;
    let places = (0..8).flat_map(|x| (0..8).map(move |y| Point::new(middle(x), middle(y))));
    places
        .into_iter()
        .find(|at| interval.contains(MAP.cell_at(*at)))
        .unwrap()
}

#[test]
fn tasks_over_two_regions_are_counted_by_pair_and_others_not_at_all() {
    let (engine, ids) = engine(4);
    let mut worker = engine.worker();
    let places: Vec<_> = ids[..3].iter().map(|id| place_in(&engine, *id)).collect();
    let look = |worker: &mut Worker, at: &[usize]| {
        must(worker, |task| {
            for at in at {
                task.nearby(places[*at], 1.0, |_| {})?;
            }
            Ok(())
        });
    };
    look(&mut worker, &[0, 1]);
    look(&mut worker, &[1, 0]);
    look(&mut worker, &[2]);
    look(&mut worker, &[0, 1, 2]);
    let expected = [((0, 1), 3), ((0, 2), 1), ((1, 2), 1)];
    let expected = expected.map(|((a, b), n)| ((ids[a].min(ids[b]), ids[a].max(ids[b])), n));
    assert_eq!(taken(&mut worker, &ids), BTreeMap::from(expected));
    assert!(taken(&mut worker, &ids).is_empty(), "each is told of once");
    let (refused, report) = run(&mut worker, |task| {
        task.nearby(places[0], 1.0, |_| {})?;
        task.nearby(places[1], 1.0, |_| {})?;
        Err::<(), _>(Stop::refused("changed its mind"))
    });
    assert!(refused.is_err() && report.regions == 2);
    assert!(taken(&mut worker, &ids).is_empty(), "it came to nothing");
}

#[test]
fn an_entity_that_crosses_is_a_task_over_both() {
    let (engine, ids) = engine(4);
    let mut worker = engine.worker();
    let (from, to) = (place_in(&engine, ids[0]), place_in(&engine, ids[1]));
    let walker = must(&mut worker, |task| {
        let id = task.create_at(crate::ground::Thing::new(0, 1), from)?.id();
        Ok(id)
    });
    taken(&mut worker, &ids);
    must(&mut worker, |task| task.place(walker, to));
    let pair = (ids[0].min(ids[1]), ids[0].max(ids[1]));
    assert_eq!(taken(&mut worker, &ids), BTreeMap::from([(pair, 1)]));
}

/// A census holds everything, wherever it is: that says nothing about who belongs together, and
/// noting all its pairs would cost the square of the regions.
#[test]
fn a_task_over_very_many_regions_is_not_counted_by_pair() {
    let (engine, ids) = engine(MANY);
    let mut worker = engine.worker();
    let (_, report) = run(&mut worker, |task| {
        task.nearby(Point::new(128.0, 128.0), 256.0, |_| {})?;
        task.get(bank(1)).map(|_| ())
    });
    assert!(report.regions > 8, "it held {}", report.regions);
    assert!(taken(&mut worker, &ids).is_empty());
}
