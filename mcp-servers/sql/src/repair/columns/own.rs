//! The expressions of one select, without those of queries inside of it.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, OrderBy, OrderByKind, Query, Select, SelectItem, VisitMut, VisitorMut};

use crate::scopes::{Meaning, Scope, meaning};

/// Calls for the expressions of a select and its order.
pub(super) fn own(
    select: &mut Select,
    order: Option<&mut OrderBy>,
    call: &mut dyn FnMut(&mut Expr),
) {
    let given: Vec<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        })
        .collect();
    let mut own = Own { depth: 0, call };
    let _ = select.visit(&mut own);
    if let Some(order) = order
        && let OrderByKind::Expressions(parts) = &mut order.kind
    {
        for part in parts {
            let is_given =
                matches!(&part.expr, Expr::Identifier(name) if given.contains(&name.value));
            if !is_given {
                let _ = part.expr.visit(&mut own);
            }
        }
    }
}

/// Names the source of each plain column, before another table could have one of the same name.
pub(super) fn qualify(select: &mut Select, order: Option<&mut OrderBy>, here: &Scope) {
    own(select, order, &mut |expression| {
        if let Expr::Identifier(name) = &*expression
            && let Meaning::Column(source) = meaning(std::slice::from_ref(here), None, name)
            && !here.shared.contains(&name.value)
            && !source.name.value.is_empty()
        {
            *expression = Expr::CompoundIdentifier(vec![source.name, name.clone()]);
        }
    });
}

struct Own<'a> {
    depth: usize,
    call: &'a mut dyn FnMut(&mut Expr),
}

impl VisitorMut for Own<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_add(1);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.call)(expression);
        }
        ControlFlow::Continue(())
    }
}
