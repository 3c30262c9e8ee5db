//! Lives here: the gauges of regions and workers. Not here: measuring (`supervisor`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::{Gauge, gauge};
use rustc_hash::{FxHashMap, FxHashSet};
use world_data::{RegionId, World};

use crate::host::Host;
use crate::region::RegionHandle;

/// Handles of gauges, looked up once per region and worker.
pub(super) struct Gauges {
    workers: Vec<Gauge>,
    regions: FxHashMap<RegionId, OfRegion>,
    hubs: Vec<OfHub>,
}

struct OfRegion {
    worker: usize,
    load: Gauge,
    objects: Gauge,
    entities: Gauge,
    queue: Gauge,
    border: Gauge,
    dilation: Gauge,
}

struct OfHub {
    load: Gauge,
    rung: Gauge,
}

impl Gauges {
    pub(super) fn new(workers: usize) -> Self {
        let load = |worker: usize| gauge!("brightstar_worker_load", "worker" => worker.to_string());
        Self {
            workers: (0..workers).map(load).collect(),
            regions: FxHashMap::default(),
            hubs: Vec::new(),
        }
    }

    /// Shows what is given up where there is too much to do.
    pub(super) fn show_ladder<W: World>(&mut self, host: &Host<W>) {
        let doors = host.directory.hubs();
        for hub in self.hubs.len()..doors.len() {
            self.hubs.push(OfHub {
                load: gauge!("brightstar_hub_load", "hub" => hub.to_string()),
                rung: gauge!("brightstar_hub_rung", "hub" => hub.to_string()),
            });
        }
        for (gauges, door) in self.hubs.iter().zip(&doors) {
            gauges.load.set(door.load());
            gauges.rung.set(door.rung() as usize as f64);
        }
        for region in &host.directory.placement().regions {
            if let Some(gauges) = self.regions.get(&region.id) {
                gauges.dilation.set(region.dilation(&host.settings.ladder));
            }
        }
    }

    /// Shows what the regions' figures say.
    pub(super) fn show<W: World>(
        &mut self,
        regions: &[Arc<RegionHandle<W>>],
        living: &FxHashSet<RegionId>,
    ) {
        self.regions.retain(|id, gauges| {
            let lives = living.contains(id);
            if !lives {
                gauges.clear();
            }
            lives
        });
        let mut loads = vec![0.0; self.workers.len()];
        for region in regions {
            let worker = region.worker();
            let gauges = self
                .regions
                .entry(region.id)
                .or_insert_with(|| OfRegion::new(region.id, worker));
            gauges.go_to(region.id, worker);
            let figures = &region.figures;
            if let Some(load) = loads.get_mut(worker) {
                *load += figures.load();
            }
            gauges.load.set(figures.load());
            let count = |count: usize| count as f64;
            gauges
                .objects
                .set(count(figures.objects.load(Ordering::Relaxed)));
            gauges
                .entities
                .set(count(figures.entities.load(Ordering::Relaxed)));
            gauges.queue.set(count(region.waiting()));
            let border = figures.border.lock();
            gauges.border.set(
                border
                    .iter()
                    .map(|(_, traffic)| traffic.rate())
                    .sum::<f64>(),
            );
        }
        for (gauge, load) in self.workers.iter().zip(loads) {
            gauge.set(load);
        }
    }
}

impl OfRegion {
    fn new(id: RegionId, worker: usize) -> Self {
        let region = id.0.to_string();
        Self {
            worker,
            load: load_of(id, worker),
            objects: gauge!("brightstar_region_objects", "region" => region.clone()),
            entities: gauge!("brightstar_region_entities", "region" => region.clone()),
            queue: gauge!("brightstar_region_queue", "region" => region.clone()),
            border: gauge!("brightstar_region_border_traffic", "region" => region.clone()),
            dilation: gauge!("brightstar_region_dilation", "region" => region),
        }
    }

    /// A gauge that is not set any more would keep its last value for ever.
    fn go_to(&mut self, id: RegionId, worker: usize) {
        if self.worker != worker {
            self.load.set(0.0);
            (self.worker, self.load) = (worker, load_of(id, worker));
        }
    }

    fn clear(&self) {
        let Self {
            worker: _,
            load,
            objects,
            entities,
            queue,
            border,
            dilation,
        } = self;
        // Who is no more is not slow.
        dilation.set(1.0);
        for gauge in [load, objects, entities, queue, border] {
            gauge.set(0.0);
        }
    }
}

fn load_of(id: RegionId, worker: usize) -> Gauge {
    let (region, worker) = (id.0.to_string(), worker.to_string());
    gauge!("brightstar_region_load", "region" => region, "worker" => worker)
}
