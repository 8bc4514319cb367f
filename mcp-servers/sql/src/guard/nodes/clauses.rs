//! Clauses of queries: which there may be, and that each holds no more than it should.

use sqlparser::ast::{
    Cte, JoinOperator, LimitClause, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, TableAlias, TableFactor,
    TableWithJoins, WildcardAdditionalOptions,
};

use crate::guard::nodes::expressions::argument;
use crate::guard::nodes::words::named;
use crate::guard::nodes::{Nodes, foreign, none};
use crate::guard::{READ, Refusal};

pub(super) fn query_clauses(query: &Query) -> Result<(), Refusal> {
    let Query {
        with,
        body,
        order_by: _,
        limit_clause,
        fetch: _,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    for cte in with.iter().flat_map(|with| &with.cte_tables) {
        let Cte {
            alias,
            query: _,
            from,
            materialized: _,
            closing_paren_token: _,
        } = cte;
        alias_clauses(Some(alias))?;
        none(from.is_some(), "FROM after WITH")?;
    }
    if !locks.is_empty() {
        return Err(Refusal::new(
            "a locking clause changes what others may do",
            "leave out FOR UPDATE and FOR SHARE",
        ));
    }
    none(for_clause.is_some(), "FOR XML, JSON or BROWSE")?;
    none(settings.is_some(), "SETTINGS")?;
    none(format_clause.is_some(), "FORMAT")?;
    none(!pipe_operators.is_empty(), "`|>`")?;
    match limit_clause {
        Some(LimitClause::LimitOffset {
            limit: _,
            offset: _,
            limit_by,
        }) => none(!limit_by.is_empty(), "LIMIT … BY")?,
        Some(LimitClause::OffsetCommaLimit { .. }) | None => {}
    }
    body_clauses(body)
}

fn body_clauses(body: &SetExpr) -> Result<(), Refusal> {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
        SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } => {
            match op {
                SetOperator::Union
                | SetOperator::Except
                | SetOperator::Intersect
                | SetOperator::Minus => {}
            }
            match set_quantifier {
                SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                SetQuantifier::ByName
                | SetQuantifier::AllByName
                | SetQuantifier::DistinctByName => {
                    return Err(foreign("BY NAME"));
                }
            }
            body_clauses(left)?;
            body_clauses(right)
        }
        SetExpr::Insert(_) => Err(Refusal::new("INSERT does not read", READ)),
        SetExpr::Update(_) => Err(Refusal::new("UPDATE does not read", READ)),
        SetExpr::Delete(_) => Err(Refusal::new("DELETE does not read", READ)),
        SetExpr::Merge(_) => Err(Refusal::new("MERGE does not read", READ)),
        SetExpr::Table(_) => Err(Refusal::new(
            "TABLE names a table without saying which columns",
            "write SELECT * FROM it",
        )),
    }
}

impl Nodes<'_> {
    pub(super) fn select(&self, select: &Select) -> Result<(), Refusal> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window: _,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        if into.is_some() {
            return Err(Refusal::new(
                "SELECT INTO writes its result somewhere",
                "leave out INTO",
            ));
        }
        // They can set variables of the session, among them those that limit a statement.
        none(!optimizer_hints.is_empty(), "a hint to the optimizer")?;
        if let Some(modifiers) = select_modifiers {
            none(modifiers.high_priority, "HIGH_PRIORITY")?;
        }
        none(top.is_some(), "TOP")?;
        none(exclude.is_some(), "EXCLUDE")?;
        none(!lateral_views.is_empty(), "LATERAL VIEW")?;
        none(prewhere.is_some(), "PREWHERE")?;
        none(!connect_by.is_empty(), "CONNECT BY")?;
        none(!cluster_by.is_empty(), "CLUSTER BY")?;
        none(!distribute_by.is_empty(), "DISTRIBUTE BY")?;
        none(!sort_by.is_empty(), "SORT BY")?;
        none(qualify.is_some(), "QUALIFY")?;
        none(value_table_mode.is_some(), "SELECT AS")?;
        none(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => {}
                SelectItem::ExprWithAliases { .. } => return Err(foreign("AS with many names")),
                SelectItem::QualifiedWildcard(kind, options) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        named(name)?;
                    }
                    wildcard(options)?;
                }
                SelectItem::Wildcard(options) => wildcard(options)?,
            }
        }
        from.iter().try_for_each(joins)
    }

    pub(super) fn factor(&self, factor: &TableFactor) -> Result<(), Refusal> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality: _,
                partitions: _,
                json_path,
                sample: _,
                index_hints: _,
            } => {
                if let Some(args) = args {
                    none(args.settings.is_some(), "SETTINGS")?;
                    args.args.iter().try_for_each(argument)?;
                    self.function(name)?;
                }
                none(!with_hints.is_empty(), "WITH (…) after a table")?;
                none(version.is_some(), "the version of a table")?;
                none(json_path.is_some(), "a path after a table")?;
                alias_clauses(alias.as_ref())
            }
            TableFactor::Derived {
                lateral: _,
                subquery: _,
                alias,
                sample: _,
            } => alias_clauses(alias.as_ref()),
            TableFactor::Function {
                lateral: _,
                name,
                args,
                with_ordinality: _,
                alias,
            } => {
                args.iter().try_for_each(argument)?;
                self.function(name)?;
                alias_clauses(alias.as_ref())
            }
            TableFactor::UNNEST {
                alias,
                array_exprs: _,
                with_offset,
                with_offset_alias: _,
                with_ordinality: _,
            } => {
                none(*with_offset, "WITH OFFSET")?;
                alias_clauses(alias.as_ref())
            }
            TableFactor::JsonTable { alias, .. } => alias_clauses(alias.as_ref()),
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                joins(table_with_joins)?;
                alias_clauses(alias.as_ref())
            }
            TableFactor::TableFunction { .. } => Err(foreign("TABLE(…)")),
            TableFactor::OpenJsonTable { .. } => Err(foreign("OPENJSON")),
            TableFactor::Pivot { .. } => Err(foreign("PIVOT")),
            TableFactor::Unpivot { .. } | TableFactor::UnpivotExpr { .. } => {
                Err(foreign("UNPIVOT"))
            }
            TableFactor::MatchRecognize { .. } => Err(foreign("MATCH_RECOGNIZE")),
            TableFactor::XmlTable { .. } => Err(foreign("XMLTABLE")),
            TableFactor::SemanticView { .. } => Err(foreign("SEMANTIC_VIEW")),
        }
    }
}

fn joins(table: &TableWithJoins) -> Result<(), Refusal> {
    for join in &table.joins {
        none(join.global, "GLOBAL JOIN")?;
        match &join.join_operator {
            JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
            | JoinOperator::Right(_)
            | JoinOperator::RightOuter(_)
            | JoinOperator::FullOuter(_)
            | JoinOperator::CrossJoin(_)
            | JoinOperator::StraightJoin(_) => {}
            JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightAnti(_) => return Err(foreign("SEMI or ANTI JOIN")),
            JoinOperator::CrossApply | JoinOperator::OuterApply => return Err(foreign("APPLY")),
            JoinOperator::AsOf { .. } => return Err(foreign("ASOF JOIN")),
            JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => return Err(foreign("ARRAY JOIN")),
        }
    }
    Ok(())
}

fn alias_clauses(alias: Option<&TableAlias>) -> Result<(), Refusal> {
    let Some(alias) = alias else { return Ok(()) };
    let TableAlias {
        explicit: _,
        name: _,
        columns: _,
        at,
    } = alias;
    none(at.is_some(), "AT after a table")
}

pub(super) fn wildcard(options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let any = opt_ilike.is_some()
        || opt_exclude.is_some()
        || opt_except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some();
    none(any, "a change of `*`")
}
