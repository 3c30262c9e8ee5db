//! Lives here: what roles decide, step by step, without a socket.

use rand::SeedableRng;

use super::*;
use crate::land::Partition;
use crate::status::Region;

/// A player who does at once what his role wants.
struct Stage {
    field: Field,
    sight: Sight,
    rng: SmallRng,
    role: Box<dyn Role>,
    mate: usize,
    here: Place,
    purse: i64,
    seconds: f64,
    unanswered: usize,
}

impl Stage {
    /// A player at this place in a meadow of two regions: its north-western quarter, and the rest.
    fn of(pattern: &Pattern, here: Place) -> Self {
        let field = Field::new();
        let regions = [Region::bare(1, 0, 1024), Region::bare(2, 1024, 8192)];
        *field.partition.borrow_mut() = Partition::new(&regions);
        let mut rng = SmallRng::seed_from_u64(5);
        Self {
            mate: field.join(0, 1),
            role: role(pattern, 3, &mut rng),
            sight: Sight::of(1),
            field,
            rng,
            here,
            purse: 10,
            seconds: 0.0,
            unanswered: 0,
        }
    }

    /// Lets the player act and walk; gives what he asked.
    fn act(&mut self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        self.field.stands(self.mate, self.here);
        let me = Me {
            name: "x",
            mate: self.mate,
            here: self.here,
            purse: self.purse,
            sight: &self.sight,
            field: &self.field,
            unanswered: self.unanswered,
            seconds: self.seconds,
        };
        let pause = self.role.act(&me, &mut self.rng, &mut deeds);
        assert!(pause > 0.0, "nobody acts without end in no time");
        self.seconds += pause;
        for deed in &deeds {
            if let Deed::Go(to) = deed {
                let way = distance(self.here, *to);
                let part = (SPEED * pause / way.max(1e-9)).min(1.0);
                self.here = [0, 1].map(|i| self.here[i] + (to[i] - self.here[i]) * part);
            }
        }
        deeds
    }

    fn region(&self) -> Option<u64> {
        self.field.partition.borrow().region_at(self.here)
    }
}

#[test]
fn who_trades_over_a_border_crosses_it_again_and_again_and_picks_up_what_it_drops() {
    let mut stage = Stage::of(&Pattern::Border { metres: 4.0 }, [900.0, 300.0]);
    // A partner on the far side.
    let partner = stage.field.join(0, 2);
    stage.field.stands(partner, [1500.0, 300.0]);
    let (mut crossings, mut dropped, mut picked, mut over) = (0, 0, 0, 0);
    let mut last = stage.region();
    for _ in 0..400 {
        for deed in stage.act() {
            match deed {
                Deed::Ask(_, Command::Drop { gold }) => {
                    assert!(
                        (1..=10).contains(&gold) && dropped == picked,
                        "one at a time"
                    );
                    dropped += 1;
                    let reply = Reply {
                        id: Some(70 + dropped),
                        ..Reply::default()
                    };
                    stage.role.answered(&Command::Drop { gold }, &reply);
                }
                Deed::Ask(_, Command::Pick(coin)) => {
                    picked += 1;
                    assert_eq!(coin, 70 + dropped);
                }
                Deed::Give(to, across) => {
                    assert_eq!(to, 2);
                    over += u64::from(across);
                }
                _ => {}
            }
        }
        crossings += u32::from(stage.region() != last);
        last = stage.region();
    }
    assert!(crossings > 30, "{crossings}");
    assert!(
        picked > 30 && dropped - picked <= 1,
        "{dropped} dropped, {picked} picked"
    );
    assert!(over > 10, "{over}");
    // The border goes elsewhere, and they go after it.
    let moved = [Region::bare(1, 0, 256), Region::bare(2, 256, 8192)];
    *stage.field.partition.borrow_mut() = Partition::new(&moved);
    let mut crossings = 0;
    for _ in 0..600 {
        last = stage.region();
        stage.act();
        crossings += u32::from(stage.region() != last);
    }
    assert!(crossings > 30, "{crossings} of the new border");
    // And with one region only, they wait.
    *stage.field.partition.borrow_mut() = Partition::new(&[Region::bare(1, 0, 8192)]);
    (0..3).for_each(|_| drop(stage.act()));
    assert!(stage.act().iter().all(|deed| !matches!(deed, Deed::Go(_))));
}

#[test]
fn a_crowd_comes_within_seconds_stays_and_disperses() {
    let pattern = Pattern::Crowd {
        place: [470.0, 540.0],
        metres: 20.0,
        within: Duration::from_secs(5),
        stay: Duration::from_secs(30),
    };
    let mut stage = Stage::of(&pattern, [490.0, 560.0]);
    let place = [470.0, 540.0];
    while stage.seconds < 5.0 {
        stage.act();
    }
    let came = stage.seconds;
    while stage.seconds < came + 24.0 {
        stage.act();
        assert!(
            distance(stage.here, place) < 21.0,
            "{:?} at {}",
            stage.here,
            stage.seconds
        );
    }
    while stage.seconds < came + 200.0 {
        stage.act();
    }
    assert!(distance(stage.here, place) > 100.0, "{:?}", stage.here);
}

#[test]
fn columns_march_out_and_back_along_their_lines() {
    let middle = [1024.0, 1024.0];
    let mut stage = Stage::of(&Pattern::Star { metres: 300.0 }, [1030.0, 1040.0]);
    let (mut farthest, mut turns) = (0.0_f64, 0);
    let mut outwards = true;
    for _ in 0..200 {
        let before = distance(stage.here, middle);
        stage.act();
        let now = distance(stage.here, middle);
        farthest = farthest.max(now);
        if (now > before + 1.0) != outwards && (now - before).abs() > 1.0 {
            outwards = !outwards;
            turns += 1;
        }
        // Bot 3 is of column 3, which goes to the south-west.
        if now > 60.0 {
            assert!(
                stage.here[0] < 1024.0 && stage.here[1] > 1024.0,
                "{:?}",
                stage.here
            );
        }
    }
    assert!((280.0..310.0).contains(&farthest), "{farthest}");
    assert!(turns >= 4, "{turns}");
}

#[test]
fn waves_drop_their_sockets_together_with_gifts_under_way() {
    let pattern = Pattern::Reconnect {
        every: Duration::from_secs(10),
        away: Duration::from_secs(2),
    };
    let mut stage = Stage::of(&pattern, [500.0, 500.0]);
    stage.field.join(0, 2);
    let mut vanished = Vec::new();
    while stage.seconds < 45.0 {
        let before = stage.seconds;
        let deeds = stage.act();
        if deeds.contains(&Deed::Vanish(Duration::from_secs(2))) {
            vanished.push(before);
            let gifts = deeds.iter().filter(|deed| matches!(deed, Deed::Give(2, _)));
            assert_eq!(gifts.count(), 3, "{deeds:?}");
            assert_eq!(deeds.last(), Some(&Deed::Vanish(Duration::from_secs(2))));
        }
    }
    assert!(vanished.len() >= 4, "{vanished:?}");
    assert!(vanished.iter().all(|at| at % 10.0 < 1.3), "{vanished:?}");
}

#[test]
fn who_stops_reading_waits_for_his_replies_first() {
    let stall = Duration::from_secs(3);
    let every = Duration::from_secs(10);
    let mut stage = Stage::of(&Pattern::Slow { every, stall }, [500.0, 500.0]);
    stage.unanswered = 1;
    while stage.seconds < 20.0 {
        assert!(!stage.act().contains(&Deed::Stall(stall)));
    }
    stage.unanswered = 0;
    assert!(stage.act().contains(&Deed::Stall(stall)));
    assert!(stage.role.expects_trouble());
}

#[test]
fn the_storm_of_gifts_is_as_strong_as_was_asked_for() {
    let mut stage = Stage::of(&Pattern::Trade { per_second: 5.0 }, [500.0, 500.0]);
    let other = stage.field.join(0, 2);
    stage.field.stands(other, [1900.0, 1900.0]);
    let mut gifts = 0;
    while stage.seconds < 100.0 {
        let deeds = stage.act();
        gifts += deeds
            .iter()
            .filter(|deed| **deed == Deed::Give(2, true))
            .count();
    }
    assert!((450..550).contains(&gifts), "{gifts}");
    stage.purse = 0;
    let nothing = (0..50).flat_map(|_| stage.act()).collect::<Vec<_>>();
    assert!(
        !nothing
            .iter()
            .any(|deed| matches!(deed, Deed::Give(2, true)))
    );
}
