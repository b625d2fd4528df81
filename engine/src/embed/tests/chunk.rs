//! A chunk by itself. Apart from its source, which the model checker compiles as well.

use crate::embed::chunk::{Filling, Reading, Taken};
use crate::embed::sync::Memory;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    Take,
    /// Lets go of what was taken first.
    Drop,
    Reuse,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Step::Append),
        3 => Just(Step::Take),
        2 => Just(Step::Drop),
        1 => Just(Step::Reuse),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 16 } else { 256 }))]
    /// Against a vector that is never used again while anything of it is held.
    #[test]
    fn what_is_taken_is_what_was_appended(steps in prop::collection::vec(step(), 0..60)) {
        let mut filling = Filling::new(Memory::new(32));
        let mut reading = Some(filling.reading());
        let (mut twin, mut seen) = (Vec::new(), 0);
        let mut held: Vec<(Taken, Vec<u8>)> = Vec::new();
        for step in steps {
            match step {
                Step::Append(content) => {
                    let fits = twin.len() + 1 + content.len() <= 32;
                    prop_assert_eq!(filling.append(&[9], &content), fits);
                    if fits {
                        twin.push(9);
                        twin.extend(content);
                    }
                }
                Step::Take => {
                    let taken = reading.as_mut().and_then(Reading::take);
                    prop_assert_eq!(taken.is_some(), seen < twin.len());
                    if let Some(taken) = taken {
                        held.push((taken, twin[seen..].to_vec()));
                        seen = twin.len();
                    }
                }
                Step::Drop => drop((!held.is_empty()).then(|| held.remove(0))),
                Step::Reuse => {
                    drop(reading.take());
                    let free = held.is_empty();
                    prop_assert_eq!(filling.reuse(), free);
                    if free {
                        twin.clear();
                        seen = 0;
                    }
                    // As a recorder does it: whoever held it read on.
                    let mut again = filling.reading();
                    if !free {
                        drop(again.take());
                        seen = twin.len();
                    }
                    reading = Some(again);
                }
            }
            for (taken, expected) in &held {
                prop_assert_eq!(taken.as_ref(), &expected[..]);
            }
        }
    }
}

#[test]
fn another_thread_sees_whole_items_in_order() {
    let count: u32 = if cfg!(miri) { 50 } else { 20_000 };
    let mut filling = Filling::new(Memory::new(5 * count as usize));
    let mut reading = filling.reading();
    let appending =
        std::thread::spawn(move || (0..count).all(|n| filling.append(&[0xff], &n.to_le_bytes())));
    let mut next = 0_u32;
    while next < count {
        let Some(taken) = reading.take() else {
            std::thread::yield_now();
            continue;
        };
        assert_eq!(taken.as_ref().len(), 5 * taken.items as usize);
        for item in taken.as_ref().chunks(5) {
            assert_eq!((item[0], &item[1..]), (0xff, &next.to_le_bytes()[..]));
            next += 1;
        }
    }
    assert!(appending.join().expect("it does not panic"));
}
