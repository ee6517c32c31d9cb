from django import template

from web import overview as system
from web.overview import Overview

register = template.Library()


@register.simple_tag
def overview() -> Overview:
    return system.overview()


@register.filter
def as_percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
