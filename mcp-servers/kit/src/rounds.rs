//! A call in several rounds: what was answered and done in earlier ones travels with the client,
//! sealed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Stop, ToolError};
use crate::inquiry::{Answer, Question};

/// What the rounds before left behind. The client carries it, and cannot change it unnoticed; it
/// can read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carried {
    /// What was asked and answered, by the names of the questions.
    answers: BTreeMap<String, Value>,
    /// What was done once, and what came of it.
    done: BTreeMap<String, Value>,
}

/// One round of a call.
#[derive(Debug)]
pub(crate) struct Rounds {
    carried: Mutex<Carried>,
    /// What the client sent with this round.
    sent: BTreeMap<String, Value>,
}

impl Rounds {
    pub(crate) fn new(carried: Carried, sent: BTreeMap<String, Value>) -> Self {
        Self {
            carried: Mutex::new(carried),
            sent,
        }
    }

    fn carried(&self) -> MutexGuard<'_, Carried> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers, or else the questions that have none yet or none that fits.
    pub(crate) fn ask(&self, questions: &[(String, Question)]) -> Result<Vec<Answer>, ToolError> {
        let mut answers = Vec::new();
        let mut open = Vec::new();
        let mut carried = self.carried();
        for (name, question) in questions {
            let known = carried.answers.get(name).or_else(|| self.sent.get(name));
            match known.map(|sent| (sent.clone(), question.answer(sent))) {
                Some((sent, Ok(answer))) => {
                    carried.answers.insert(name.clone(), sent);
                    answers.push(answer);
                }
                Some((_, Err(_))) | None => open.push((name.clone(), question.clone())),
            }
        }
        if open.is_empty() {
            Ok(answers)
        } else {
            Err(ToolError(Stop::Asks(open)))
        }
    }

    /// What came of a step in an earlier round.
    pub(crate) fn done(&self, name: &str) -> Option<Value> {
        self.carried().done.get(name).cloned()
    }

    pub(crate) fn remember(&self, name: &str, outcome: Value) {
        self.carried().done.insert(name.to_owned(), outcome);
    }

    /// What the next round must know.
    pub(crate) fn to_carry(&self) -> Carried {
        self.carried().clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roots(name: &str) -> (String, Question) {
        (name.to_owned(), Question::Roots)
    }

    fn sent(names: &[&str]) -> BTreeMap<String, Value> {
        let answer = json!({"roots": []});
        let one = |name: &&str| ((*name).to_owned(), answer.clone());
        names.iter().map(one).collect()
    }

    #[test]
    fn what_has_no_answer_is_asked_and_the_rest_is_kept() {
        let first = Rounds::new(Carried::default(), sent(&["a", "never asked"]));
        let error = first.ask(&[roots("a"), roots("b")]).unwrap_err();
        assert_eq!(error, ToolError(Stop::Asks(vec![roots("b")])));
        let carried = first.to_carry();
        assert_eq!(carried.answers.len(), 1, "what nobody asked is not carried");
        let second = Rounds::new(carried, sent(&["b"]));
        assert_eq!(second.ask(&[roots("a"), roots("b")]).unwrap().len(), 2);
    }

    #[test]
    fn an_answer_once_given_stands() {
        let mut carried = Carried::default();
        let kept = json!({"roots": [{"uri": "file:///kept"}]});
        carried.answers.insert("a".to_owned(), kept);
        let rounds = Rounds::new(carried, sent(&["a"]));
        let answers = rounds.ask(&[roots("a")]).unwrap();
        assert_eq!(answers, [Answer::Roots(vec!["file:///kept".to_owned()])]);
    }

    #[test]
    fn an_answer_that_does_not_fit_is_asked_again() {
        let rounds = Rounds::new(
            Carried::default(),
            BTreeMap::from([("a".to_owned(), json!({"rots": []}))]),
        );
        assert!(rounds.ask(&[roots("a")]).is_err());
        assert_eq!(rounds.to_carry(), Carried::default());
    }
}
