//! What is asked: questions to the support desk of Lanternfish, the product that the demo knowledge base is about.

/// Each is answered from documents: there is neither small talk nor a follow-up among them, which would cost less.
const QUESTIONS: &[&str] = &[
    // Billing.
    "How much does the Team plan cost per month?",
    "How many seats are included in the Business plan?",
    "Can I get a refund for an annual subscription I cancelled after two weeks?",
    "What happens to my workflows when a payment fails?",
    "How is proration calculated when I upgrade in the middle of the month?",
    "Where can I download the invoices of last year?",
    "Do you charge VAT for customers in the European Union?",
    "How do I switch from monthly to annual billing?",
    "Can I pay by bank transfer instead of a credit card?",
    "How do account credits work and when do they expire?",
    "What do I pay for events above the limit of my plan?",
    "Who in my workspace can see and change the billing details?",
    "How long does the free trial last and do I need a card for it?",
    "Is there a discount for nonprofits or schools?",
    // Technical.
    "How do I verify the signature of a webhook?",
    "Which rate limits apply to the API and what does status 429 mean?",
    "How do I rotate an API key without downtime?",
    "Why does my webhook endpoint receive the same event twice?",
    "How many times is a failed webhook delivery retried?",
    "How do I install the Python SDK and send my first event?",
    "What causes an invalid signature error in the webhook handler?",
    "How do I install the command-line tool?",
    "How can I use an idempotency key so that a request is not run twice?",
    "How do I set up single sign-on with SAML?",
    "Why does my data sync job time out and how can I split it?",
    "How do I migrate a classic workflow to Flow 2?",
    "Which IP addresses do I have to allow in my firewall?",
    "How do I see the logs of a failed workflow run?",
    // Policy.
    "How long do you keep event payloads and logs?",
    "How do I have my personal data erased under the GDPR?",
    "Which sub-processors does Lanternfish use?",
    "What uptime does the service level agreement promise?",
    "Which service credits do I get when uptime falls below the promise?",
    "Which encryption protects stored data?",
    "Where is customer data stored if I choose the EU region?",
    "How quickly are customers told about a security incident?",
    "Do you sign a data processing agreement?",
    "Which uses of the service are prohibited by the acceptable use policy?",
    "What happens to my data after I close the account?",
    "Do you have a SOC 2 report that my auditor can read?",
];

/// Endless questions for one session. Sessions begin at different places, so that they do not ask the same at once.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    next: usize,
}

impl Questions {
    /// Questions for the session with this number.
    pub(crate) fn for_session(number: usize) -> Self {
        Self {
            next: number.wrapping_mul(7) % QUESTIONS.len(),
        }
    }

    /// The next one.
    pub(crate) fn ask(&mut self) -> &'static str {
        let question = QUESTIONS[self.next];
        self.next = (self.next + 1) % QUESTIONS.len();
        question
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_question_is_different_and_within_the_length_a_message_may_have() {
        let different: HashSet<_> = QUESTIONS.iter().collect();
        assert_eq!(different.len(), QUESTIONS.len());
        assert!(QUESTIONS.len() >= 40);
        assert!(
            QUESTIONS
                .iter()
                .all(|question| (1..=2000).contains(&question.chars().count()))
        );
    }

    #[test]
    fn a_session_comes_round_to_all_of_them() {
        let mut questions = Questions::for_session(11);
        let asked: HashSet<_> = (0..QUESTIONS.len()).map(|_| questions.ask()).collect();
        assert_eq!(asked.len(), QUESTIONS.len());
    }

    #[test]
    fn neighbouring_sessions_begin_with_different_questions() {
        let first: HashSet<_> = (0..QUESTIONS.len())
            .map(|number| Questions::for_session(number).ask())
            .collect();
        assert_eq!(first.len(), QUESTIONS.len());
    }
}
