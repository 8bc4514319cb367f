use super::*;
use crate::kv::KvShape;
use crate::pages::HostPages;
use proptest::prelude::*;

const SHAPE: KvShape = KvShape {
    layers: 1,
    heads: 1,
    head: 1,
};

/// Stands in for the decoder: writes into each slot what identifies the whole prefix.
fn compute(cache: &mut PageCache, held: &Held, tokens: &[u32], from: usize) {
    for at in from..tokens.len() {
        let mark = fingerprint(&tokens[..=at]);
        let number = held.pages[at / PAGE];
        let pages = host_mut(cache);
        let mut page = pages.take(number).unwrap();
        page.write(0, at % PAGE, &[mark], &[mark]);
        pages.put(number, page);
    }
}

fn host(cache: &PageCache) -> &HostPages {
    match &cache.pages {
        Pages::Host(pages) => pages,
        Pages::Device(_) => unreachable!("it was made on the host"),
    }
}

fn host_mut(cache: &mut PageCache) -> &mut HostPages {
    match &mut cache.pages {
        Pages::Host(pages) => pages,
        Pages::Device(_) => unreachable!("it was made on the host"),
    }
}

/// A small whole number, exact in half precision.
fn fingerprint(prefix: &[u32]) -> f32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for token in prefix {
        hash = (hash ^ u64::from(*token)).wrapping_mul(0x0100_0000_01b3);
    }
    ((hash >> 53) % 2000) as f32
}

fn check(cache: &PageCache, held: &Held, tokens: &[u32], upto: usize) {
    for at in 0..upto {
        let page = host(cache).get(held.pages[at / PAGE]).unwrap();
        let found = page.head(0, 0).values[at % PAGE].to_f32();
        assert_eq!(
            found,
            fingerprint(&tokens[..=at]),
            "token {at} of {}",
            tokens.len()
        );
    }
}

fn run(cache: &mut PageCache, tokens: &[u32]) -> usize {
    let (mut held, done) = cache.begin(tokens);
    check(cache, &held, tokens, done);
    assert!(cache.grow(&mut held, tokens.len()));
    compute(cache, &held, tokens, done);
    cache.end(held, tokens);
    done
}

#[test]
fn a_second_turn_computes_only_what_is_new() {
    let mut cache = PageCache::new(Pages::host(SHAPE), 1 << 20);
    let first: Vec<u32> = (0..100).collect();
    assert_eq!(run(&mut cache, &first), 0);
    let second: Vec<u32> = (0..150).collect();
    assert_eq!(run(&mut cache, &second), 100);
    // A branch shares as far as it agrees, in the middle of a page too.
    let branch: Vec<u32> = (0..70).chain(500..600).collect();
    assert_eq!(run(&mut cache, &branch), 70);
    // The last token is always computed.
    assert_eq!(run(&mut cache, &branch), branch.len() - 1);
    assert_eq!(run(&mut cache, &[7]), 0);
}

#[test]
fn memory_is_bounded_and_the_least_used_goes_first() {
    let mut cache = PageCache::new(Pages::host(SHAPE), SHAPE.page_bytes() * 8);
    let kept: Vec<u32> = (0..64).collect();
    run(&mut cache, &kept);
    for round in 1..40 {
        let other: Vec<u32> = (0..64).map(|i| round * 1000 + i).collect();
        run(&mut cache, &other);
        assert_eq!(run(&mut cache, &kept), 63, "round {round}");
        assert!(cache.usage().pages <= 8);
    }
}

#[test]
fn running_sequences_keep_their_pages() {
    let mut cache = PageCache::new(Pages::host(SHAPE), SHAPE.page_bytes() * 4);
    let tokens: Vec<u32> = (0..96).collect();
    let (mut held, _) = cache.begin(&tokens);
    assert!(cache.grow(&mut held, 96));
    compute(&mut cache, &held, &tokens, 0);
    cache.share(&mut held, &tokens);
    let (mut other, done) = cache.begin(&[900, 901]);
    assert_eq!(done, 0);
    assert!(cache.grow(&mut other, 32));
    assert!(
        !cache.grow(&mut other, 64),
        "three of four pages are in use"
    );
    check(&cache, &held, &tokens, 96);
    cache.end(held, &tokens);
    assert!(cache.grow(&mut other, 64));
}

proptest! {
    /// Whatever runs, in whatever order and at the same time: every sequence reads exactly what
    /// its own tokens come to, and memory stays within its bound.
    #[test]
    fn sequences_never_read_what_is_not_theirs(
        steps in proptest::collection::vec((0_usize..4, 0_u32..3, 1_usize..90, any::<bool>()), 1..60),
    ) {
        let mut cache = PageCache::new(Pages::host(SHAPE), SHAPE.page_bytes() * 24);
        let mut running: Vec<Option<(Held, Vec<u32>)>> = (0..4).map(|_| None).collect();
        for (slot, branch, length, end) in steps {
            match running[slot].take() {
                None => {
                    let tokens: Vec<u32> = (0..length as u32).map(|i| if i < 40 { i } else { i * 10 + branch }).collect();
                    let (mut held, done) = cache.begin(&tokens);
                    prop_assert!(done < tokens.len());
                    check(&cache, &held, &tokens, done);
                    if cache.grow(&mut held, tokens.len()) {
                        compute(&mut cache, &held, &tokens, done);
                        cache.share(&mut held, &tokens);
                        running[slot] = Some((held, tokens));
                    } else {
                        cache.end(held, &tokens[..done]);
                    }
                }
                Some((mut held, mut tokens)) => {
                    check(&cache, &held, &tokens, tokens.len());
                    let before = tokens.len();
                    tokens.extend((0..length as u32 / 4).map(|i| i + branch));
                    if end || !cache.grow(&mut held, tokens.len()) {
                        tokens.truncate(before);
                        cache.end(held, &tokens);
                    } else {
                        compute(&mut cache, &held, &tokens, before);
                        cache.share(&mut held, &tokens);
                        running[slot] = Some((held, tokens));
                    }
                }
            }
            prop_assert!(cache.usage().bytes <= cache.usage().most_bytes);
            for (held, tokens) in running.iter().flatten() {
                check(&cache, held, tokens, tokens.len());
            }
        }
    }
}
