//! Lives here: proofs of the balancer: a small simulator of loads that obeys it, and what must
//! hold on constant, generated and recorded loads. Not here: tests of one part alone (`cut`).

mod crowds;
mod judging;
mod optimum;
mod properties;
mod recorded;
mod rules;
mod sim;
mod talking;
mod wandering;
