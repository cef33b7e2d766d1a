"""The audit against matchers: does a frozen recogniser find clean photos of a person in a gallery of protected ones?"""
