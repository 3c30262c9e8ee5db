//! What only the inside can do: a region's actor that dies.

use uuid::Uuid;
use world_data::{Caller, Options, SessionId};

use super::*;
use crate::region::{Shared, Work};
use crate::void::Void;

async fn until(mut happened: impl FnMut() -> bool) {
    let mut look = interval(Duration::from_millis(2));
    for _ in 0..2500 {
        if happened() {
            return;
        }
        look.tick().await;
    }
    panic!("it did not happen");
}

/// A panic outside of any task ends the actor. Its queue lives on, and so does its worker.
#[test]
fn a_region_that_dies_is_made_anew_with_its_queue() {
    actix_rt::System::new().block_on(async {
        let (world, post) = (Arc::new(Void::default()), Post::new());
        let options = Options {
            regions: 4,
            ..Options::default()
        };
        let engine = Engine::in_memory(&*world, options, Arc::<Post>::clone(&post)).unwrap();
        let settings = Settings {
            workers: 1,
            ..Settings::default()
        };
        let runtime = Runtime::start(engine, Arc::clone(&world), post, settings).unwrap();
        until(|| runtime.ready()).await;
        let regions = runtime.host.directory.placement().regions.clone();
        let (dying, other) = (&regions[0], &regions[1]);
        let (ticks, others) = (
            dying.figures.ticks.load(Ordering::SeqCst),
            other.figures.ticks.load(Ordering::SeqCst),
        );
        let login = || {
            let session = SessionId(Uuid::new_v4());
            Work::Login(Shared::new(Caller {
                session,
                name: "ann".into(),
                you: None,
            }))
        };
        dying.offer(Work::Die).unwrap();
        for _ in 0..10 {
            dying.offer(login()).unwrap();
        }
        let died = Instant::now();
        until(|| world.logins.load(Ordering::SeqCst) == 10).await;
        // A second on a machine that has time; more where others keep it busy.
        assert!(died.elapsed() < Duration::from_secs(4));
        assert_eq!(dying.generation.load(Ordering::SeqCst), 2);
        assert_eq!(other.generation.load(Ordering::SeqCst), 1);
        until(|| dying.figures.ticks.load(Ordering::SeqCst) > ticks + 3).await;
        until(|| other.figures.ticks.load(Ordering::SeqCst) > others + 3).await;
        until(|| runtime.ready()).await;
        runtime.drain(Duration::from_secs(5)).await.unwrap();
    });
}
