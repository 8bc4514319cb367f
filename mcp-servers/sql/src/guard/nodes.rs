//! Every node of a statement against what is allowed.
//!
//! The parser's own visitor reaches all of them, wherever they stand. What it has no call for, such
//! as the clauses of a function, is taken apart here where it hangs.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, Cte, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, GroupByWithModifier, Ident,
    JoinOperator, LimitClause, ObjectName, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind,
    OrderBySort, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetQuantifier, Statement, TableAlias, TableFactor, TableWithJoins, UnaryOperator, Value,
    ValueWithSpan, Visit, Visitor, WildcardAdditionalOptions,
};
use sqlparser::ast::{BinaryOperator, SetOperator};

use crate::dialect::Dialect;
use crate::guard::{READ, Refusal, Rules, functions, text};

/// Refuses the first node that is not known to do no more than read.
pub(super) fn check<V: Visit>(tree: &V, dialect: Dialect, rules: &Rules) -> Result<(), Refusal> {
    let mut nodes = Nodes { dialect, rules };
    match tree.visit(&mut nodes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

struct Nodes<'a> {
    dialect: Dialect,
    rules: &'a Rules,
}

type Flow = ControlFlow<Refusal>;

fn flow(outcome: Result<(), Refusal>) -> Flow {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}

/// A clause that none of the three dialects has, or that does more than read.
fn foreign(what: &str) -> Refusal {
    Refusal::new(format!("{what} is not allowed"), "write it without")
}

/// Refuses a clause that is there.
fn none(is_there: bool, what: &str) -> Result<(), Refusal> {
    if is_there { Err(foreign(what)) } else { Ok(()) }
}

impl Visitor for Nodes<'_> {
    type Break = Refusal;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        let text = statement.to_string();
        let verb = text.split_whitespace().next().unwrap_or_default();
        flow(Err(Refusal::new(
            format!("`{}` inside of it does not read", verb.to_uppercase()),
            READ,
        )))
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        flow(query_clauses(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        flow(self.factor(factor))
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Flow {
        flow(named(relation))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> Flow {
        flow(self.expression(expression))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> Flow {
        flow(literal(&value.value))
    }

    fn pre_visit_ident(&mut self, ident: &Ident) -> Flow {
        flow(self.ident(ident))
    }

    fn pre_visit_order_by(&mut self, order: &OrderBy) -> Flow {
        let OrderBy { kind, interpolate } = order;
        flow(
            none(interpolate.is_some(), "INTERPOLATE").and_then(|()| match kind {
                OrderByKind::All(_) => Err(foreign("ORDER BY ALL")),
                OrderByKind::Expressions(_) => Ok(()),
            }),
        )
    }

    fn pre_visit_order_by_expr(&mut self, order: &OrderByExpr) -> Flow {
        let OrderByExpr {
            expr: _,
            options,
            with_fill,
        } = order;
        // An operator to sort by runs whatever function is behind it.
        let by_operator = matches!(&options.sort, Some(OrderBySort::Using(_)));
        flow(
            none(with_fill.is_some(), "WITH FILL")
                .and_then(|()| none(by_operator, "ORDER BY … USING")),
        )
    }

    fn pre_visit_group_by(&mut self, group: &GroupByExpr) -> Flow {
        let modifiers = match group {
            GroupByExpr::All(_) => return flow(Err(foreign("GROUP BY ALL"))),
            GroupByExpr::Expressions(_, modifiers) => modifiers,
        };
        let strange = modifiers
            .iter()
            .any(|modifier| matches!(modifier, GroupByWithModifier::Totals));
        flow(none(strange, "WITH TOTALS"))
    }
}

fn query_clauses(query: &Query) -> Result<(), Refusal> {
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
    fn select(&self, select: &Select) -> Result<(), Refusal> {
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

    fn factor(&self, factor: &TableFactor) -> Result<(), Refusal> {
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

    fn expression(&self, expression: &Expr) -> Result<(), Refusal> {
        match expression {
            Expr::Function(function) => self.call(function),
            Expr::BinaryOp { op, .. }
            | Expr::AnyOp { compare_op: op, .. }
            | Expr::AllOp { compare_op: op, .. } => operator(op),
            Expr::UnaryOp { op, expr: _ } => match op {
                UnaryOperator::DoubleAt
                | UnaryOperator::Hash
                | UnaryOperator::QuestionDash
                | UnaryOperator::QuestionPipe
                | UnaryOperator::AtDashAt => Ok(()),
                UnaryOperator::BangNot
                | UnaryOperator::BitwiseNot
                | UnaryOperator::Plus
                | UnaryOperator::Minus
                | UnaryOperator::Not
                | UnaryOperator::PGAbs
                | UnaryOperator::PGCubeRoot
                | UnaryOperator::PGPostfixFactorial
                | UnaryOperator::PGPrefixFactorial
                | UnaryOperator::PGSquareRoot => Ok(()),
            },
            Expr::Cast { data_type, .. } => self.data_type(data_type),
            Expr::Convert {
                data_type, is_try, ..
            } => {
                none(*is_try, "TRY_CONVERT")?;
                data_type
                    .as_ref()
                    .map_or(Ok(()), |kind| self.data_type(kind))
            }
            Expr::TypedString(string) => self.data_type(&string.data_type),
            Expr::CompoundFieldAccess {
                root: _,
                access_chain,
            } => access_chain.iter().try_for_each(|access| match access {
                AccessExpr::Dot(_) | AccessExpr::Subscript(_) => Ok(()),
            }),
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Collate { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::MemberOf(_) => Ok(()),
            Expr::Prefixed { prefix, value: _ } => self.introducer(prefix),
            Expr::JsonAccess { .. } => Err(foreign("a path after `:`")),
            Expr::InUnnest { .. } => Err(foreign("IN UNNEST")),
            Expr::Struct { .. } => Err(foreign("STRUCT")),
            Expr::Named { .. } => Err(foreign("a field with a name")),
            Expr::Dictionary(_) => Err(foreign("a dictionary")),
            Expr::Map(_) => Err(foreign("MAP")),
            Expr::OuterJoin(_) => Err(foreign("`(+)`")),
            Expr::Prior(_) => Err(foreign("PRIOR")),
            Expr::Lambda(_) => Err(foreign("a lambda")),
        }
    }

    /// A character set before a text, as MySQL has it.
    fn introducer(&self, prefix: &Ident) -> Result<(), Refusal> {
        let known = [
            "_utf8", "_utf8mb4", "_utf8mb3", "_latin1", "_ascii", "_binary",
        ];
        let name = prefix.value.to_lowercase();
        // Others have characters that end in a backslash, which hides the end of a text.
        let allowed = self.dialect == Dialect::Mysql && known.contains(&name.as_str());
        none(!allowed, &format!("`{}` before a text", prefix.value))
    }

    fn call(&self, function: &Function) -> Result<(), Refusal> {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group: _,
            filter: _,
            null_treatment: _,
            over: _,
        } = function;
        none(*uses_odbc_syntax, "`{fn …}`")?;
        none(
            !matches!(parameters, FunctionArguments::None),
            "a function with two lists of arguments",
        )?;
        match args {
            FunctionArguments::None => {}
            // ARRAY(SELECT …) is written like a function.
            FunctionArguments::Subquery(_) if is_array(name) => return Ok(()),
            FunctionArguments::Subquery(_) => {
                return Err(foreign("a query as the argument of a function"));
            }
            FunctionArguments::List(list) => {
                list.args.iter().try_for_each(argument)?;
                list.clauses.iter().try_for_each(|clause| match clause {
                    FunctionArgumentClause::OrderBy(_)
                    | FunctionArgumentClause::Limit(_)
                    | FunctionArgumentClause::Separator(_)
                    | FunctionArgumentClause::IgnoreOrRespectNulls(_)
                    | FunctionArgumentClause::JsonNullClause(_)
                    | FunctionArgumentClause::OnOverflow(_) => Ok(()),
                    FunctionArgumentClause::JsonReturningClause(clause) => {
                        self.data_type(&clause.data_type)
                    }
                    FunctionArgumentClause::Where(_) | FunctionArgumentClause::Having(_) => {
                        Err(foreign("WHERE or HAVING inside of a function"))
                    }
                })?;
            }
        }
        self.function(name)
    }

    fn function(&self, name: &ObjectName) -> Result<(), Refusal> {
        functions::check(&words(name)?, self.dialect, self.rules)
    }

    /// Types that only hold values. Those of PostgreSQL's catalogue look things up in it.
    fn data_type(&self, kind: &DataType) -> Result<(), Refusal> {
        let told = kind.to_string().to_lowercase();
        let last = told.rsplit('.').next().unwrap_or_default();
        let looks_up = last.trim_matches('"').starts_with("reg");
        none(looks_up, &format!("the type `{kind}`"))
    }

    fn ident(&self, ident: &Ident) -> Result<(), Refusal> {
        if ident.quote_style.is_some() {
            return Ok(());
        }
        if ident.value.starts_with('@') {
            return Err(Refusal::new(
                format!("`{}` is a variable of the session", ident.value),
                "write its value",
            ));
        }
        match ident
            .value
            .chars()
            .find(|character| text::hidden(*character))
        {
            Some(found) => Err(Refusal::new(
                format!(
                    "a name holds the invisible character U+{:04X}",
                    u32::from(found)
                ),
                "write it without, or quote the name",
            )),
            None => Ok(()),
        }
    }
}

fn is_array(name: &ObjectName) -> bool {
    let array =
        |ident: &Ident| ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("array");
    matches!(name.0.as_slice(), [ObjectNamePart::Identifier(ident)] if array(ident))
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

fn wildcard(options: &WildcardAdditionalOptions) -> Result<(), Refusal> {
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

fn argument(argument: &FunctionArg) -> Result<(), Refusal> {
    let given = match argument {
        FunctionArg::Named { arg, .. } | FunctionArg::Unnamed(arg) => arg,
        FunctionArg::ExprNamed { .. } => return Err(foreign("a name that is computed")),
    };
    match given {
        FunctionArgExpr::Expr(_)
        | FunctionArgExpr::QualifiedWildcard(_)
        | FunctionArgExpr::Wildcard => Ok(()),
        FunctionArgExpr::WildcardWithOptions(options) => wildcard(options),
    }
}

/// Those that are built in. One that somebody defined runs whatever function is behind it.
fn operator(operator: &BinaryOperator) -> Result<(), Refusal> {
    match operator {
        BinaryOperator::Assignment => Err(Refusal::new(
            "`:=` changes a variable of the session",
            "write it without",
        )),
        BinaryOperator::Custom(_) | BinaryOperator::PGCustomBinaryOperator(_) => Err(foreign(
            "an operator that the database does not bring along",
        )),
        BinaryOperator::DuckIntegerDivide => Err(foreign("`//`")),
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Spaceship
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::Xor
        | BinaryOperator::BitwiseOr
        | BinaryOperator::BitwiseAnd
        | BinaryOperator::BitwiseXor
        | BinaryOperator::MyIntegerDivide
        | BinaryOperator::Match
        | BinaryOperator::Regexp
        | BinaryOperator::Glob
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight
        | BinaryOperator::PGExp
        | BinaryOperator::PGOverlap
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::PGStartsWith
        | BinaryOperator::Arrow
        | BinaryOperator::LongArrow
        | BinaryOperator::HashArrow
        | BinaryOperator::HashLongArrow
        | BinaryOperator::AtAt
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt
        | BinaryOperator::HashMinus
        | BinaryOperator::AtQuestion
        | BinaryOperator::Question
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe
        | BinaryOperator::Overlaps
        | BinaryOperator::DoubleHash
        | BinaryOperator::LtDashGt
        | BinaryOperator::AndLt
        | BinaryOperator::AndGt
        | BinaryOperator::LtLtPipe
        | BinaryOperator::PipeGtGt
        | BinaryOperator::AndLtPipe
        | BinaryOperator::PipeAndGt
        | BinaryOperator::LtCaret
        | BinaryOperator::GtCaret
        | BinaryOperator::QuestionHash
        | BinaryOperator::QuestionDash
        | BinaryOperator::QuestionDashPipe
        | BinaryOperator::QuestionDoublePipe
        | BinaryOperator::At
        | BinaryOperator::TildeEq => Ok(()),
    }
}

fn literal(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::DollarQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::UnicodeStringLiteral(_)
        | Value::NationalStringLiteral(_)
        | Value::HexStringLiteral(_)
        | Value::DoubleQuotedString(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null => Ok(()),
        Value::Placeholder(name) => Err(Refusal::new(
            format!("`{name}` stands for a value that nobody gives"),
            "write the value",
        )),
        Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_) => Err(Refusal::new(
            "a text is quoted in a way that the database does not know",
            "write it in single quotes",
        )),
    }
}

/// A name of plain words.
fn named(name: &ObjectName) -> Result<(), Refusal> {
    words(name).map(drop)
}

/// The words of a name.
pub(super) fn words(name: &ObjectName) -> Result<Vec<&Ident>, Refusal> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident),
            ObjectNamePart::Function(_) => Err(foreign("a name that is computed")),
        })
        .collect()
}
