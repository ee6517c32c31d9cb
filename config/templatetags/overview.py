from django import template

from config import overview as system
from config.overview import Overview

register = template.Library()


@register.simple_tag
def overview() -> Overview:
    return system.overview()


@register.filter
def as_percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
