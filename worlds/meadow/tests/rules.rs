//! Lives here: the rules of the meadow and their refusals, as scenes.
//! Not here: what must hold whatever happens (`invariants`).

use crate::stage::check;

#[test]
fn two_reach_for_the_same_coin_and_one_gets_it() {
    check(
        r#"
        ann at 100 100
        bob at 102 100
        coin c of 3 at 101 100
        ann {"pick": @c}   -> {"gold":3}
        bob {"pick": @c}   -> refused gone
        ann "me"           -> {"at":[100.0,100.0],"gold":3,"id":@ann,"mushrooms":0,"name":"ann"}
        bob "me"           -> {"at":[102.0,100.0],"gold":0,"id":@bob,"mushrooms":0,"name":"bob"}
        census             -> {"gold":3,"players":2}
        "#,
    );
}

#[test]
fn picking_needs_reach_and_something_to_pick() {
    check(
        r#"
        ann at 100 100
        bob at 100 101
        sheep s at 101 101
        coin near of 1 at 103 100
        coin far of 1 at 103.1 100
        ann {"pick": @near}              -> {"gold":1}
        ann {"pick": @far}               -> refused too_far
        ann {"pick": @bob}               -> refused gone
        ann {"pick": @s}                 -> refused gone
        ann {"pick": 5}                  -> refused gone
        ann {"pick": 18446744073709551615} -> refused gone
        "#,
    );
}

#[test]
fn dropped_gold_is_a_coin_for_anybody() {
    check(
        r#"
        ann at 100 100
        bob at 101 100
        coin c of 5 at 100 100
        ann {"pick": @c}                  -> {"gold":5}
        ann {"drop": {"gold": 2}} as d    -> {"id":@d}
        census                            -> {"gold":5,"players":2}
        near ann                          -> [{"k":"coin","gold":2},{"k":"player","name":"ann"},{"k":"player","name":"bob"}]
        bob {"pick": @d}                  -> {"gold":2}
        ann {"drop": {"gold": 4}}         -> refused insufficient
        ann {"drop": {"gold": 0}}         -> refused bad_amount
        ann {"drop": {"gold": -1}}        -> refused bad_amount
        census                            -> {"gold":5,"players":2}
        "#,
    );
}

#[test]
fn gold_is_given_at_any_distance() {
    check(
        r#"
        ann at 10 10
        bob at 2000 2000
        coin c of 5 at 10 10
        ann {"pick": @c}                         -> {"gold":5}
        ann {"give": {"to": @bob, "gold": 2}}    -> {"gold":3}
        bob hears                                -> {"given":{"from":@ann,"name":"ann","gold":2}}
        ann {"give": {"to": @bob, "gold": 4}}    -> refused insufficient
        ann {"give": {"to": @bob, "gold": 0}}    -> refused bad_amount
        ann {"give": {"to": @bob, "gold": -2}}   -> refused bad_amount
        ann {"give": {"to": @ann, "gold": 1}}    -> refused yourself
        ann {"give": {"to": 7, "gold": 1}}       -> refused no_such_player
        bob hears                                -> nothing
        coin d of 5 at 10 10
        ann {"give": {"to": @d, "gold": 1}}      -> refused no_such_player
        bob leaves
        ann {"give": {"to": @bob, "gold": 3}}    -> {"gold":0}
        bob enters
        bob {"give": {"to": @ann, "gold": 1}}    -> {"gold":4}
        census                                   -> {"gold":10,"players":2}
        "#,
    );
}

#[test]
fn talk_is_heard_within_earshot_even_over_borders() {
    check(
        r#"
        ann at 1024 1024
        bob at 1063 1024
        eve at 1024 1065
        ann {"say": " hello "}   -> {"heard":2}
        ann hears                -> {"said":{"from":@ann,"name":"ann","text":"hello"}}
        bob hears                -> {"said":{"from":@ann,"name":"ann","text":"hello"}}
        eve hears                -> nothing
        ann {"say": "  "}        -> refused bad_text
        ann {"say": "a\u0007b"}  -> refused bad_text
        bob leaves
        ann {"say": "bob?"}      -> {"heard":1}
        "#,
    );
    let longest = "ä".repeat(meadow::MAX_TEXT);
    check(&format!(
        r#"
        ann at 5 5
        ann {{"say": "{longest}"}}  -> {{"heard":1}}
        ann {{"say": "{longest}b"}} -> refused too_long
        "#
    ));
}

#[test]
fn mushrooms_are_counted_and_grow_again() {
    check(
        r#"
        ann at 100 100
        mushroom m at 101 100
        ann {"pick": @m}   -> {"mushrooms":1}
        ann {"pick": @m}   -> refused gone
        near ann           -> [{"k":"player","name":"ann"}]
        wait 59
        ann {"pick": @m}   -> refused gone
        wait 2
        near ann           -> [{"k":"mushroom"},{"k":"player","name":"ann"}]
        ann {"pick": @m}   -> {"mushrooms":2}
        "#,
    );
}

#[test]
fn walking_is_six_metres_a_second_and_ends_at_the_edge() {
    check(
        r#"
        ann at 100 100
        ann steers {"go": [200, 100]}
        wait 1
        ann "me"   -> {"at":[106.0,100.0],"gold":0,"id":@ann,"mushrooms":0,"name":"ann"}
        ann steers "stop"
        wait 1
        ann "me"   -> {"at":[106.0,100.0],"gold":0,"id":@ann,"mushrooms":0,"name":"ann"}
        ann steers {"go": [109, 100]}
        wait 3
        ann "me"   -> {"at":[109.0,100.0],"gold":0,"id":@ann,"mushrooms":0,"name":"ann"}
        ann at 3 3
        ann steers {"go": [-1000, 3]}
        wait 3
        ann "me"   -> {"at":[0.0,3.0],"gold":0,"id":@ann,"mushrooms":0,"name":"ann"}
        "#,
    );
}

#[test]
fn who_comes_back_is_where_and_as_rich_as_he_was() {
    check(
        r#"
        ann at 100 100
        bob at 101 100
        coin c of 4 at 100 100
        ann {"pick": @c}   -> {"gold":4}
        ann steers {"go": [200, 100]}
        ann leaves
        near bob           -> [{"k":"player","name":"bob"}]
        census             -> {"gold":4,"players":1}
        wait 1
        ann enters
        wait 1
        ann "me"           -> {"at":[100.0,100.0],"gold":4,"id":@ann,"mushrooms":0,"name":"ann"}
        near bob           -> [{"k":"player","name":"ann"},{"k":"player","name":"bob"}]
        census             -> {"gold":4,"players":2}
        "#,
    );
}

#[test]
fn who_loses_touch_stands_still_until_the_client_is_back_or_the_time_is_over() {
    check(
        r#"
        ann at 100 100
        bob at 101 100
        ann steers {"go": [200, 100]}
        wait 1
        ann loses-touch
        wait 1
        ann "me"           -> {"at":[106.0,100.0],"gold":0,"id":@ann,"mushrooms":0,"name":"ann"}
        near bob           -> [{"k":"player","name":"ann"},{"k":"player","name":"bob"}]
        census             -> {"gold":0,"players":2}
        ann leaves
        near bob           -> [{"k":"player","name":"bob"}]
        census             -> {"gold":0,"players":1}
        "#,
    );
}

#[test]
fn what_is_said_to_all_is_heard_under_the_speakers_own_name_and_checked() {
    check(
        r#"
        ann at 100 100
        bob at 2000 2000
        ann publishes "  hello, meadow  "
        bob publishes "hi"
        all hear                       -> world @ann {"name":"ann","text":"hello, meadow"} world @bob {"name":"bob","text":"hi"}
        ann publishes " "              -> refused bad_text
        ann publishes "a\u0007b"       -> refused bad_text
        ann publishes {"name": "bob"}  -> refused the message can't be read: invalid type: map, expected a string
        all hear                       ->
        "#,
    );
}
