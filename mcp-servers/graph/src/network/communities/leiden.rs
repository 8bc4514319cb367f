//! The Leiden algorithm: Traag, Waltman and van Eck, "From Louvain to Leiden: guaranteeing
//! well-connected communities" (2019).
//!
//! Where the paper draws at random, this takes the best and of those alike the first, so that a
//! graph has one outcome. Gains are compared as whole numbers.

use fixedbitset::FixedBitSet;

use super::moving::{Around, Moving, PARTS, gain};
use super::weighted::Weighted;
use crate::network::layer::id;

/// How often all of it is done again from what came out before, while that helps.
const ROUNDS: usize = 4;

/// Up to how many nodes a graph is grouped from what the older algorithm finds as well, so that the
/// outcome is never worth less than that.
const TWICE: usize = 200_000;

/// Groups at each level, the finest first: each is within one of the next. Every group holds
/// together.
pub(super) fn leiden(graph: &Weighted, resolution: f64) -> Vec<Vec<u32>> {
    let parts = (resolution * PARTS).clamp(1.0, 1e6) as u64;
    let singles: Vec<u32> = (0..id(graph.nodes())).collect();
    let (best, worth) = rounds(graph, singles, parts);
    if graph.nodes() > TWICE {
        return best;
    }
    let (other, better) = rounds(graph, louvain(graph, parts), parts);
    if better > worth { other } else { best }
}

/// Levels from groups to begin with, again from what comes out while that is better; and what the
/// highest is worth.
fn rounds(graph: &Weighted, start: Vec<u32>, parts: u64) -> (Vec<Vec<u32>>, i128) {
    let mut best = once(graph, start, parts);
    let mut worth = quality(graph, &best, parts);
    for _ in 1..ROUNDS {
        let Some(top) = best.last().cloned() else {
            break;
        };
        let next = once(graph, top, parts);
        let better = quality(graph, &next, parts);
        if better <= worth {
            break;
        }
        (best, worth) = (next, better);
    }
    (best, worth)
}

/// What the highest level is worth, for comparison.
fn quality(graph: &Weighted, levels: &[Vec<u32>], parts: u64) -> i128 {
    let Some(of) = levels.last() else {
        return 0;
    };
    let of = in_order(of);
    let groups = count(&of);
    let whole = graph.grouped(&of, groups);
    let sum = (0..id(groups)).map(|group| {
        let degree = i128::from(whole.degree(group));
        let inside = i128::from(whole.loop_of(group)) * 2;
        inside * i128::from(graph.total()) * PARTS as i128 - degree * degree * i128::from(parts)
    });
    sum.sum()
}

/// Levels from groups to begin with.
fn once(graph: &Weighted, start: Vec<u32>, parts: u64) -> Vec<Vec<u32>> {
    let mut levels: Vec<Vec<u32>> = Vec::new();
    // Which node of the graph at hand each node of the whole graph is in.
    let mut inside: Vec<u32> = (0..id(graph.nodes())).collect();
    let mut of = in_order(&start);
    let mut owned: Option<Weighted> = None;
    loop {
        let graph = owned.as_ref().unwrap_or(graph);
        let moved = Moving::new(graph, &of, parts).settle();
        of = in_order(&moved);
        let refined = in_order(&refine(graph, &of, parts));
        let groups = count(&refined);
        let last = groups == graph.nodes() || groups == count(&of);
        if last {
            // Nothing of a group comes together any more but by moving whole groups.
            let top = in_order(&connected(graph, &of));
            levels.push(lift(&inside, &top));
            break;
        }
        inside = lift(&inside, &refined);
        levels.push(inside.clone());
        // The groups that were moved to stay the groups that the next level begins with.
        let mut next = vec![0u32; groups];
        for (refined, group) in refined.iter().zip(&of) {
            if let Some(next) = next.get_mut(*refined as usize) {
                *next = *group;
            }
        }
        let smaller = graph.grouped(&refined, groups);
        owned = Some(smaller);
        of = in_order(&next);
    }
    levels.dedup();
    levels
}

fn lift(inside: &[u32], of: &[u32]) -> Vec<u32> {
    let group = |node: &u32| of.get(*node as usize).copied().unwrap_or(0);
    inside.iter().map(group).collect()
}

fn count(of: &[u32]) -> usize {
    let most = of.iter().max();
    most.map_or(0, |most| (*most as usize).saturating_add(1))
}

/// Groups counted in the order of their first nodes.
pub(super) fn in_order(of: &[u32]) -> Vec<u32> {
    let mut new = vec![u32::MAX; count(of)];
    let mut next = 0u32;
    let mut rename = |group: &u32| {
        let Some(new) = new.get_mut(*group as usize) else {
            return 0;
        };
        if *new == u32::MAX {
            *new = next;
            next = next.saturating_add(1);
        }
        *new
    };
    of.iter().map(&mut rename).collect()
}

/// Groups taken apart into parts that hold together well: nodes that are still alone join the part
/// of their group where they add most, if they and the part are well connected to the group.
fn refine(graph: &Weighted, of: &[u32], parts: u64) -> Vec<u32> {
    let nodes = graph.nodes();
    let group = |node: u32| of.get(node as usize).copied().unwrap_or(0);
    let mut whole = vec![0u64; count(of)];
    for node in 0..id(nodes) {
        if let Some(sum) = whole.get_mut(group(node) as usize) {
            *sum = sum.saturating_add(graph.degree(node));
        }
    }
    let within = |node: u32| -> u64 {
        let edges = graph.of_node(node).iter();
        let own = edges.filter(|(to, _)| group(*to) == group(node));
        own.map(|(_, weight)| weight).sum()
    };
    let mut part: Vec<u32> = (0..id(nodes)).collect();
    let mut degrees: Vec<u64> = (0..id(nodes)).map(|node| graph.degree(node)).collect();
    // Weight from a part to the rest of its group.
    let mut out: Vec<u64> = (0..id(nodes)).map(within).collect();
    let mut alone = FixedBitSet::with_capacity(nodes);
    alone.insert_range(..);
    let mut around = Around::new(nodes);
    let get = |list: &[u64], at: u32| list.get(at as usize).copied().unwrap_or(0);
    for node in 0..id(nodes) {
        let all = get(&whole, group(node));
        let degree = graph.degree(node);
        let rest = all.saturating_sub(degree);
        if !alone.contains(node as usize) || gain(graph, get(&out, node), degree, rest, parts) < 0 {
            continue;
        }
        for (to, weight) in graph.of_node(node) {
            if group(*to) == group(node) {
                let part = part.get(*to as usize).copied().unwrap_or(0);
                around.add(part, *weight);
            }
        }
        let mut best = (0, node);
        for to in around.groups.iter().copied().filter(|to| *to != node) {
            let sum = get(&degrees, to);
            let well = gain(graph, get(&out, to), sum, all.saturating_sub(sum), parts) >= 0;
            let gain = gain(graph, around.of(to), degree, sum, parts);
            if well && (gain > best.0 || (gain == best.0 && best.1 != node && to < best.1)) {
                best = (gain, to);
            }
        }
        if best.1 != node {
            let to = best.1 as usize;
            let between = around.of(best.1);
            // What was between them is inside now.
            let left = get(&out, node).saturating_sub(between);
            if let Some(out) = out.get_mut(to) {
                *out = out.saturating_sub(between).saturating_add(left);
            }
            if let Some(sum) = degrees.get_mut(to) {
                *sum = sum.saturating_add(degree);
            }
            if let Some(part) = part.get_mut(node as usize) {
                *part = best.1;
            }
            alone.set(node as usize, false);
            alone.set(to, false);
        }
        around.clear();
    }
    part
}

/// Groups with each of their unconnected parts as one of its own.
fn connected(graph: &Weighted, of: &[u32]) -> Vec<u32> {
    let mut found = vec![u32::MAX; graph.nodes()];
    let mut next = 0u32;
    for node in 0..id(graph.nodes()) {
        let mut stack = vec![node];
        let mut any = false;
        while let Some(here) = stack.pop() {
            match found.get_mut(here as usize) {
                Some(found) if *found == u32::MAX => *found = next,
                _ => continue,
            }
            any = true;
            let own = of.get(here as usize);
            let edges = graph.of_node(here).iter().map(|(to, _)| *to);
            stack.extend(edges.filter(|to| of.get(*to as usize) == own));
        }
        if any {
            next = next.saturating_add(1);
        }
    }
    found
}

/// The algorithm that this one improves on: Blondel, Guillaume, Lambiotte and Lefebvre, "Fast
/// unfolding of communities in large networks" (2008).
pub(super) fn louvain(graph: &Weighted, parts: u64) -> Vec<u32> {
    let mut of: Vec<u32> = (0..id(graph.nodes())).collect();
    let mut owned: Option<Weighted> = None;
    loop {
        let whole = owned.as_ref().unwrap_or(graph);
        let singles: Vec<u32> = (0..id(whole.nodes())).collect();
        let moved = in_order(&Moving::new(whole, &singles, parts).settle());
        let groups = count(&moved);
        of = lift(&of, &moved);
        if groups == whole.nodes() {
            return of;
        }
        owned = Some(whole.grouped(&moved, groups));
    }
}
