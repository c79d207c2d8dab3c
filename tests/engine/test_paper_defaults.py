"""What is not set is as in the paper."""

from __future__ import annotations

import inspect

from memoryos_engine import HeatWeights, Memoryos, MemorySettings, UserMemory


def test_the_settings_are_the_papers():
    """§4.1: STM 7, MTM 200, queues 100, tau 5, theta 0.6, alpha = beta = gamma = 1, mu 1e7 s, m 5, ten entries."""
    settings = MemorySettings()
    assert settings.heat_weights == HeatWeights(alpha=1.0, beta=1.0, gamma=1.0, recency_constant=1e7)
    assert {
        "STM": settings.short_term_capacity,
        "MTM": settings.mid_term_capacity,
        "queues": settings.knowledge_capacity,
        "tau": settings.heat_threshold,
        "theta": settings.similarity_threshold,
        "m": settings.top_segments,
        "knowledge": settings.knowledge_top_k,
    } == {"STM": 7, "MTM": 200, "queues": 100, "tau": 5.0, "theta": 0.6, "m": 5, "knowledge": 10}


def test_a_retrieval_returns_ten_pages():
    """§4.1: k = 10 on LoCoMo."""
    assert inspect.signature(UserMemory.retrieve_memory).parameters["top_k"].default == 10


def test_the_seeds_constructor_has_the_same_defaults():
    """§4.1 again, under the names of the seed document."""
    defaults = {name: each.default for name, each in inspect.signature(Memoryos).parameters.items()}
    names = {
        "short_term_capacity": 7,
        "mid_term_capacity": 200,
        "mid_term_heat_threshold": 5.0,
        "mid_term_similarity_threshold": 0.6,
        "retrieval_queue_capacity": 10,
        "long_term_knowledge_capacity": 100,
    }
    assert {name: defaults[name] for name in names} == names
