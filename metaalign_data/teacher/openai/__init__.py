"""Any server that speaks OpenAI's chat completions, by `base_url`."""

from metaalign_data.teacher.openai.client import OpenAITeacher

__all__ = ["OpenAITeacher"]
